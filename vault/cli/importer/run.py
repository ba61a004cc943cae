"""Sends a file's rows, a hundred at a time, a few batches at once.

A batch is a hundred rows of the file, the refused ones counted, so it is the same hundred in every run. The vault
creates each customer whole or not at all, under the id in the file: sending a row twice is told ALREADY_EXISTS and
changes nothing. That, and not the state file, is what makes a repeated import safe; the state file saves the time.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol

from vault.cli.importer.progress import Advance
from vault.cli.importer.rows import Accepted, Checker, Refused, column_of
from vault.cli.importer.sheet import Sheet
from vault.cli.importer.state import Progress, StateFile
from vault.client.records import NewCustomer
from vault.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied, VaultError
from vault.v1 import status_pb2 as status

BATCH: Final = 100
"""As many as the API takes."""
_AT_ONCE: Final = 4
"""Batches on their way: while the vault makes one durable, the next ones are checked and sealed here."""


class Storefront(Protocol):
    """The part of `StorefrontClient` that an import uses."""

    async def batch_create_customers(self, customers: Sequence[NewCustomer]) -> Sequence[object]:
        """What became of each: something, or the VaultError that refused it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch."""

    number: int
    rows: int
    stored: int
    already_there: int
    refused: list[Refused]


async def run(sheet: Sheet, vault: Storefront, checker: Checker, state: StateFile, advance: Advance) -> Progress:
    """Send what is not done yet.

    Args:
        sheet: the file.
        vault: the client of a storefront.
        checker: fresh; it sees every row.
        state: where progress is kept.
        advance: told about rows that were dealt with.

    Returns:
        What has become of every row, in earlier runs and this one.

    Raises:
        VaultError: the vault cannot go on; what was answered is kept, and another run goes on from there.
    """
    progress = state.load()
    # Before the first row is sent: an import that could not remember how far it came should not start.
    state.save(progress)
    async with aclosing(_outcomes(sheet, vault, checker, frozenset(progress.done))) as outcomes:
        async for outcome in outcomes:
            progress.done.add(outcome.number)
            progress.stored += outcome.stored
            progress.already_there += outcome.already_there
            progress.refused += outcome.refused
            state.save(progress)
            advance(outcome.rows)
    progress.refused.sort(key=lambda refused: refused.line)
    state.remove()
    return progress


async def _outcomes(sheet: Sheet, vault: Storefront, checker: Checker, done: frozenset[int]) -> AsyncGenerator[Outcome]:
    """The outcomes of the batches that are left, as they arrive."""
    batches = ((n, rows) for n, rows in enumerate(_batches(sheet, checker)) if n not in done)
    waiting = {asyncio.create_task(_send(vault, n, rows)) for n, rows in islice(batches, _AT_ONCE)}
    try:
        while waiting:
            finished, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            # What was stored is noted before what failed ends the run; asking also takes note of each failure.
            for task in sorted(finished, key=lambda task: task.exception() is not None):
                yield task.result()
                waiting |= {asyncio.create_task(_send(vault, n, rows)) for n, rows in islice(batches, 1)}
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _batches(sheet: Sheet, checker: Checker) -> Iterator[list[Accepted | Refused]]:
    checked = (checker.check(line) for line in sheet.lines())
    while batch := list(islice(checked, BATCH)):
        yield batch


async def _send(vault: Storefront, number: int, rows: Sequence[Accepted | Refused]) -> Outcome:
    accepted = [row for row in rows if isinstance(row, Accepted)]
    refused = [row for row in rows if isinstance(row, Refused)]
    stored = already_there = 0
    customers = [NewCustomer(row.request.customer_id, row.request.contact, row.request.cards) for row in accepted]
    results = await _create(vault, customers) if customers else ()
    for row, result in zip(accepted, results, strict=True):
        if not isinstance(result, VaultError):
            stored += 1
        elif isinstance(result, AlreadyExists) and result.reason != status.REASON_ERASED:
            already_there += 1
        else:
            refused.append(_refusal(row.line, result))
    return Outcome(number, len(rows), stored, already_there, refused)


async def _create(vault: Storefront, customers: Sequence[NewCustomer]) -> Sequence[object]:
    """What became of each. A vault whose rules are newer than ours may refuse a whole batch over one row: find it."""
    try:
        return await vault.batch_create_customers(customers)
    except InvalidArgument as error:
        if len(customers) == 1:
            return [error]
        middle = len(customers) // 2
        return [*await _create(vault, customers[:middle]), *await _create(vault, customers[middle:])]


def _refusal(line: int, error: VaultError) -> Refused:
    """Why the vault refused a row.

    Raises:
        VaultError: it is not the row's fault, so the batch is not done.
    """
    match error:
        case InvalidArgument():
            return Refused(line, column_of(error.field), error.rule)
        case AlreadyExists():
            return Refused(line, "customer_id", "must not be that of a customer who was erased")
        case FailedPrecondition() | PermissionDenied():
            return Refused(line, "", str(error))
        case _:
            raise error
