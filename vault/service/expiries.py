"""RetentionService: an operator has the sweep done now, and is told what it did."""

from typing import Final

from vault.domain.names import Owner, RecordName
from vault.errors import FailedPrecondition
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.paging import SealedTokens
from vault.service.parts import Parts
from vault.service.retention import AT_ONCE
from vault.storage.expiring import FIRST, Place
from vault.v1 import retention_service_pb2 as v1
from vault.v1 import status_pb2 as status

MOST: Final = 2000
"""Records that one call looks at, well within a deadline."""


class Expiries:
    """Runs the sweep."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tokens = SealedTokens(parts.keyring.vault_keys, "RunRetention")

    async def run_retention(self, call: Call, request: v1.RunRetentionRequest) -> v1.RunRetentionResponse:
        """Destroy some of what has come to its end; the page token names a record, and an operator reads no names."""
        place = self._tokens.name_after(request.page_token)
        now = await self._parts.clock.trusted()
        if now is None:
            raise FailedPrecondition(
                status.REASON_UNAVAILABLE,
                "the clock is in doubt, so nothing is destroyed: see `customer-vault doctor` and `clock confirm`",
            )
        batches = -(-(request.page_size or MOST) // AT_ONCE)
        swept = await self._parts.retention.sweep(now, after=_read(place), batches=batches)
        kinds = ("removed", "held", "kept", "unreadable", "visit_counts")
        done = {kind: getattr(swept, kind) for kind in kinds}
        counts = {name: count for name, count in done.items() if count}
        await self._parts.journal.append(call, touched_entry(call, Touched(), counts=counts))
        token = self._tokens.token_after(" ".join(map(str, swept.last))) if swept.last else ""
        return v1.RunRetentionResponse(**done, next_page_token=token)


def _read(text: str) -> Place:
    if not text:
        return FIRST
    expires_at, owner, name = text.split(" ")
    return Place(int(expires_at), Owner(owner), RecordName(name))
