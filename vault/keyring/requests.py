"""Fingerprints of requests: tell a repeat of a request_id from another request under the same id.

The fingerprint is an HMAC under a key of the day, destroyed 48 h after that day: what is left of an old request then
says nothing about its content. A repeat is compared under the day of the first use. A request is forgotten when the
upkeep gets to it after 24 h, so a key that outlived it by less than that would be missed by whoever comes in between,
or whose clock was set back by an hour just after midnight.
"""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime

from vault.crypto.vault_key import RowName
from vault.keyring.system_rows import SystemRows

_KIND = "request-day-key"
_DAY_MS = 24 * 3600 * 1000
_DAYS_KEPT = 2
"""Beside today's: so that 48 hours after its last use, and at any hour of the day, a key is still there."""


class RequestKeys:
    """Day keys, made at their first use."""

    def __init__(self, rows: SystemRows) -> None:
        self._rows = rows
        self._keys: dict[str, bytes] = {}

    async def fingerprint(self, caller: str, method: str, request: bytes, at: int) -> bytes:
        """HMAC-SHA256 of a request, 32 bytes; `at` in milliseconds is the time of the first use."""
        key = await self._key(_day(at))
        parts = (caller.encode(), method.encode(), request)
        digest = hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in parts)).digest()
        return hmac.digest(key, digest, "sha256")

    async def _key(self, day: str) -> bytes:
        if day not in self._keys:
            # Another process may win the race for the day: what is stored counts. Version 1 is destroyed already if a
            # clock ran ahead and was set back; then the day goes on under the next.
            version = 1
            while (found := await self._rows.get(_KIND, day)) is None:
                await self._rows.add([(RowName(_KIND, day, version), secrets.token_bytes(32))], ignore_existing=True)
                version += 1
            self._keys[day] = found[1]
        return self._keys[day]

    async def destroy_old(self, now: int) -> None:
        """Destroy the keys that have no use any more; `now` in milliseconds since 1970."""
        oldest = _day(now - _DAYS_KEPT * _DAY_MS)
        self._keys = {d: k for d, k in self._keys.items() if d >= oldest}
        await self._rows.remove_before(_KIND, oldest)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
