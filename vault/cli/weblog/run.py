"""Sends the counts of a log, once each, however often it is broken off.

Each call has a request_id that is made of the vault, the file, the place of the batch in it and what it counts. Where
a batch ends is kept before it is sent. So a batch whose answer was lost is sent again as the same requests, though the
log grew meanwhile, and counts once; the vault remembers it for a day, and a run that comes later than that after a
crash may count one batch twice.
"""

import hashlib
import uuid
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

from vault.cli.importer.progress import Advance
from vault.cli.weblog.batches import Batch, batches
from vault.cli.weblog.lines import Hit, Reader, Reason
from vault.cli.weblog.state import Progress, StateFile
from vault.v1.visitor_service_pb2 import RecordVisitsResponse, Visit

CALL: Final = 1000
"""Counts in one call: as many as the API takes."""


class Storefront(Protocol):
    """The part of `StorefrontClient` that an import uses."""

    async def record_visits(self, visits: Sequence[Visit], *, request_id: str = "") -> RecordVisitsResponse:
        """Count visits."""


async def run(path: Path, vault: Storefront, now_ms: int, state: StateFile, advance: Advance) -> Progress:
    """Send what is not sent yet.

    Args:
        path: the log.
        vault: the client of a storefront.
        now_ms: milliseconds since 1970.
        state: where progress is kept.
        advance: told about bytes that were dealt with.

    Returns:
        What has become of every line, in earlier runs and this one.

    Raises:
        VaultError: the vault cannot go on; what was answered is kept, and another run goes on from there.
    """
    progress = state.load()
    with path.open("rb") as file:
        for batch in batches(file, progress.offset, Reader(now_ms), progress.sending):
            progress.sending = batch.end
            state.save(progress)
            refused = await _send(vault, batch, state)
            progress.offset = batch.end
            progress.lines += batch.lines
            progress.visits += batch.counts.total() - refused
            for reason, lines in (*batch.refused.items(), *([(Reason.NO_TIME, refused)] if refused else ())):
                progress.refused[reason.value] = progress.refused.get(reason.value, 0) + lines
            state.save(progress)
            advance(batch.end - batch.start)
    return progress


async def _send(vault: Storefront, batch: Batch, state: StateFile) -> int:
    """Send a batch; how many of its visits the vault refused, which has other rules or another clock."""
    counts, refused = iter(batch.counts.items()), 0
    place = f"{state.vault_id} {state.identity} {batch.start}"
    for part in range((len(batch.counts) + CALL - 1) // CALL):
        visits = [_visit(hit, count) for hit, count in islice(counts, CALL)]
        content = hashlib.sha256(b"".join(visit.SerializeToString(deterministic=True) for visit in visits)).hexdigest()
        request_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"customer-vault visits {place} {part} {content}"))
        answer = await vault.record_visits(visits, request_id=request_id)
        refused += answer.refused_page + answer.refused_time
    return refused


def _visit(hit: Hit, count: int) -> Visit:
    visit = Visit(host=hit.domain, page=hit.page, count=count)
    visit.time.seconds = hit.hour * 3600
    return visit
