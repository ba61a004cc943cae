"""Fingerprints of requests: tell a repeat of a request_id from another request under the same id.

The fingerprint is an HMAC under a key of the day, destroyed after 48 h: what is left of an old request then says
nothing about its content. A repeat is compared under the day of the first use.
"""

import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

from vault.crypto.vault_key import RowName
from vault.keyring.system_rows import SystemRows

_KIND = "request-day-key"
_DAYS_KEPT = 2


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
            found = await self._rows.get(_KIND, day)
            if found is None:
                # Another process may win the race for the day: what is stored counts.
                await self._rows.add([(RowName(_KIND, day, 1), secrets.token_bytes(32))], ignore_existing=True)
                found = await self._rows.get(_KIND, day)
            self._keys[day] = found[1] if found else b""
            await self._destroy_old(day)
        return self._keys[day]

    async def _destroy_old(self, day: str) -> None:
        oldest = (datetime.fromisoformat(day) - timedelta(days=_DAYS_KEPT)).date().isoformat()
        self._keys = {d: k for d, k in self._keys.items() if d >= oldest}
        await self._rows.remove_before(_KIND, oldest)


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
