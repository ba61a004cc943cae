"""That a log only grows: the checkpoints that this caller was shown, put on one line by proofs.

A size and a root that are new could be those of another history: a vault that was put back and has grown past its old
size, or one that shows each caller a log of its own. Only a consistency proof (RFC 9162, section 2.1.4) tells. A `Line`
is the largest checkpoint that is proven and those that wait for it. A round asks the vault for one proof between each
two neighbours of them, in one call, so every checkpoint that was ever taken ends on one line and none is forgotten:
not those between, and not one that a faster answer overtook.

Rounds run beside the calls and never delay one: the first growth starts one at once, later growth at most every
`PROOF_SECONDS`. What comes of it counts from the next call on. A proof that does not hold is an alarm. None at all,
`MISSES` times in a row, each asked for because the log had grown and calls were answered, is as bad: a vault that
cannot prove its log would just not answer. From then on calls are refused, rounds go on, and the first that succeeds
ends it; a vault that is merely away answers no calls and so counts no misses.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from vault.client.errors import NotProven
from vault.crypto.merkle import verify_consistency
from vault.crypto.note import Checkpoint
from vault.errors import OpenError, VaultError

PROOF_SECONDS = 10.0
"""Between rounds about one log."""
MISSES = 6
"""Rounds in a row without a proof, after which calls are refused: about a minute."""
WAITING = 256
"""Checkpoints that may wait; a vault signs about one a second, so a minute of misses stays far below."""
_AT_ONCE = 64
"""Sizes in one request, the API's limit."""
_FOREVER_AGO = float("-inf")

Prove = Callable[[str, Sequence[int]], Awaitable[Sequence[Sequence[bytes]]]]
"""From an origin and ascending sizes to a proof for each pair of neighbours; raises VaultError if there is none."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint, and the signed note that it came in."""

    checkpoint: Checkpoint
    note: str


class Inconsistent(Exception):  # noqa: N818 - a finding, which becomes the witness's alarm
    """Two signed checkpoints that no proof puts on one line."""

    def __init__(self, seen: Seen, shown: Seen) -> None:
        super().__init__()
        self.seen = seen
        self.shown = shown


@dataclass(slots=True)
class Line:
    """What is known of one log's growth."""

    proven: Seen
    """The first one seen, and from then on the largest that was proven to continue it."""
    waiting: dict[int, Seen] = field(default_factory=dict)
    """By size; not proven yet."""
    misses: int = 0
    last_miss: str = ""
    asked_at: float = _FOREVER_AGO
    round: "asyncio.Task[None] | None" = None

    def at(self, size: int) -> Seen | None:
        """What was seen at a size, as far as it is remembered."""
        return self.proven if size == self.proven.checkpoint.size else self.waiting.get(size)

    def add(self, seen: Seen) -> None:
        """Put a checkpoint to those that wait.

        Raises:
            NotProven: too many wait, more than a vault can have signed.
        """
        if len(self.waiting) >= WAITING:
            raise self.refusal()
        self.waiting[seen.checkpoint.size] = seen

    def due(self) -> bool:
        """Whether a round may begin: after a while, or when a request is full."""
        full = len(self.waiting) >= _AT_ONCE - 1 and not self.misses
        return bool(self.waiting) and self.round is None and (full or time.monotonic() - self.asked_at >= PROOF_SECONDS)

    def refusal(self) -> NotProven:
        """Why nothing is sent."""
        largest = max([self.proven.checkpoint.size, *self.waiting])
        return NotProven(self.proven.checkpoint.origin, self.proven.checkpoint.size, largest, self.last_miss)

    async def prove(self, ask: Prove) -> None:
        """One round: prove all that waits now. What comes in meanwhile waits for the next.

        Raises:
            Inconsistent: a proof does not hold.
        """
        self.asked_at = time.monotonic()
        try:
            # A checkpoint below the proven one was overtaken; it stands at the beginning and is proven as well.
            chain = sorted([self.proven, *self.waiting.values()], key=lambda seen: seen.checkpoint.size)
            for begin in range(0, len(chain) - 1, _AT_ONCE - 1):
                await self._prove(chain[begin : begin + _AT_ONCE], ask)
        except VaultError as error:
            self.misses += 1
            self.last_miss = str(error)
        else:
            self.misses, self.last_miss = 0, ""

    async def _prove(self, chain: Sequence[Seen], ask: Prove) -> None:
        proofs = await ask(chain[0].checkpoint.origin, [seen.checkpoint.size for seen in chain])
        if len(proofs) != len(chain) - 1:
            raise Inconsistent(chain[0], chain[-1])
        for at, (seen, shown) in enumerate(pairwise(chain)):
            first, second = seen.checkpoint, shown.checkpoint
            try:
                verify_consistency(first.size, second.size, proofs[at], first.root, second.root)
            except OpenError:
                raise Inconsistent(seen, shown) from None
        for seen in chain:
            self.waiting.pop(seen.checkpoint.size, None)
        self.proven = max(self.proven, chain[-1], key=lambda seen: seen.checkpoint.size)
