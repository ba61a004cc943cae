"""Bodies on their way into the vault: from pieces of any size to sealed chunks, and what of them may be sent again.

The rule behind it: a stream's key must never seal two different chunks for one place. So what is sent again after a
broken upload are either the very bytes of the first attempt, which are kept as long as they are few, or a body that is
read from its beginning and sealed under a fresh salt. Nothing else can be repeated, and no body is kept whole.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from vault.crypto.stream import CHUNK_SIZE, Sealer

Body = AsyncIterator[bytes] | Callable[[], AsyncIterator[bytes]]
"""The pieces of a body: once, or a function that begins them anew, so that an attempt can be made again at any size."""

KEPT_CHUNKS = 16
"""Sealed chunks that are kept to be sent again: a megabyte, which is most mail."""


async def chunked(body: AsyncIterator[bytes]) -> AsyncGenerator[tuple[memoryview, bool], None]:
    """The same bytes in chunks of exactly 65,536, each with whether it is the last; that one may be shorter, or empty.

    A whole chunk is held back until there is more, since nobody can know otherwise whether it is the last.
    """
    held = bytearray()
    async for piece in body:
        rest = memoryview(piece)
        while len(held) + len(rest) > CHUNK_SIZE:
            missing = CHUNK_SIZE - len(held)
            if held:
                held += rest[:missing]
            yield memoryview(held) if held else rest[:missing], False
            held, rest = bytearray(), rest[missing:]
        held += rest
    yield memoryview(held), True


class SealedBody:
    """The sealed chunks of one body under one salt: from the first as often as `again` says, and in one order."""

    def __init__(self, sealer: Sealer, body: AsyncIterator[bytes]) -> None:
        self.sealer = sealer
        self.again = True
        """Whether all that was given so far is kept, so that `chunks` begins with it."""
        self._kept: list[bytes] = []
        self._given = 0
        self._pieces = chunked(body)
        self._digest = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the plaintext so far. It may not leave this process but inside of a token."""
        return self._digest.digest()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All sealed chunks; those that are kept are the bytes of before.

        Raises:
            ValueError: it was begun before, and not all is kept.
        """
        if not self.again:
            raise ValueError("the beginning of this body is gone: seal it anew")
        for chunk in self._kept:
            yield chunk
        async for plaintext, last in self._pieces:
            self._digest.update(plaintext)
            chunk = self.sealer.seal(plaintext, last=last)
            self._keep(chunk)
            yield chunk

    def _keep(self, chunk: bytes) -> None:
        self._given += 1
        if self._given > KEPT_CHUNKS:
            self.again = False
            self._kept.clear()
        else:
            self._kept.append(chunk)

    async def close(self) -> None:
        """Let go of the body."""
        self._kept.clear()
        await self._pieces.aclose()
