"""Orders of disclosure as they are stored, and how one is believed.

An order is a sealed row of the key store, `orders/{id}`, one version for each change: nobody without the vault key can
write one. That does not stop somebody who removes the newest version, so that an order that was rejected reads as
approved. So each change also has an entry in the log, with the digest of the row as it was written; the newest such
entry says which row counts. An order is used only if

(1) its newest row opens, and its digest is that of the newest entry about it, and
(2) for reading, each of its approvals stands in the log: an allowed ApproveDisclosure of that caller for that order.

What the log knows of orders is looked up once, at the first use, and kept up to date from then on: this process writes
the log. The row goes first and the entry second, and a crash may come in between: then a version is there that the log
does not know, and the order cannot be read under until somebody decides about it again, on top of what the log knows.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import DecodeError, Message

from vault.crypto.vault_key import RowName
from vault.errors import DataLoss
from vault.keyring.system_rows import SYSTEM, SystemRows
from vault.service.call import Call
from vault.service.trail import Trail
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, AuditEntry
from vault.store.v1.system_pb2 import Order
from vault.v1.disclosure_service_pb2 import (
    DISCLOSURE_STATE_APPROVED,
    DISCLOSURE_STATE_CLOSED,
    DISCLOSURE_STATE_EXPIRED,
    DISCLOSURE_STATE_REJECTED,
    DISCLOSURE_STATE_REQUESTED,
    DisclosureOrder,
    DisclosureState,
)

if TYPE_CHECKING:
    from vault.service.writing import Journal, Repeatable

T = TypeVar("T")

APPROVALS: Final = 2
PENDING_MS: Final = 7 * 24 * 3600 * 1000
"""How long a request alone keeps what it would cover: one person must not keep it for ever."""
_SERVICE: Final = "DisclosureService."
_APPROVE: Final = "DisclosureService.ApproveDisclosure"
_PREFIX: Final = "orders/"
_LOST: Final = "an order of disclosure is not as the log says; nothing is read under it"


@dataclass(slots=True)
class Mark:
    """What the log says of one order."""

    digest: bytes
    version: int
    live_until: int
    """When it ends by itself; 0 once it was rejected or closed."""
    approvers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Book:
    marks: dict[str, Mark] = field(default_factory=dict)
    orders: dict[str, DisclosureOrder] = field(default_factory=dict)
    """Those whose rows are as the log says."""


class Orders:
    """The orders of one process; changes to them come one after the other (`turn`)."""

    def __init__(self, rows: SystemRows, trail: Trail, journal: "Journal") -> None:
        self._rows = rows
        self._trail = trail
        self._journal = journal
        self.freshness = journal.freshness
        self._book: _Book | None = None
        self._loading = asyncio.Lock()
        self.turn = asyncio.Lock()

    async def undisturbed(self, work: Coroutine[object, object, T]) -> T:
        """Do what decides about an order in turn, and to its end if the caller goes away: log and book agree."""

        async def in_turn() -> T:
            async with self.turn:
                return await work

        return await asyncio.shield(asyncio.ensure_future(in_turn()))

    async def moment(self) -> int:
        """`freshness.now()` at a moment when the book has every decision that the log has."""
        async with self.turn:
            return self.freshness.now()

    async def find(self, order_id: str) -> DisclosureOrder | None:
        """An order as the log knows it, from its row; None if there is none.

        Raises:
            DataLoss: that row is not there, or is not what the log says.
        """
        mark = (await self._loaded()).marks.get(order_id)
        # A request whose entry never came was never made; and nobody else makes a row that opens.
        return await self._counted(order_id, mark) if mark else None

    async def _counted(self, order_id: str, mark: Mark) -> DisclosureOrder:
        found = await self._rows.get(SYSTEM, f"{_PREFIX}{order_id}", mark.version)
        if found is None or _digest(found[1]) != mark.digest:
            raise DataLoss(_LOST)
        return _parsed(found[1])

    async def approved(self, order_id: str, now: int) -> DisclosureOrder | None:
        """An order under which may be read at a time; None if there is no such one.

        Raises:
            DataLoss: it is not what the log says, or an approval does not stand in the log.
        """
        order = await self.find(order_id)
        if order is None or state_of(order, now) != DISCLOSURE_STATE_APPROVED:
            return None
        newest = await self._rows.get(SYSTEM, f"{_PREFIX}{order_id}")
        mark = (await self._loaded()).marks[order_id]
        if newest is None or newest[0] != mark.version:
            raise DataLoss(_LOST)
        callers = {decision.caller for decision in order.approvals}
        if len(callers) < APPROVALS or order.request.caller in callers:
            raise DataLoss(_LOST)
        if not callers <= mark.approvers:
            raise DataLoss(_LOST)
        return order

    async def all(self) -> Mapping[str, DisclosureOrder]:
        """All orders that are as the log says, by id."""
        return (await self._loaded()).orders

    async def lost(self, now: int) -> list[str]:
        """Ids of orders that are not over and whose rows are not as the log says."""
        book = await self._loaded()
        return sorted(i for i, mark in book.marks.items() if now < mark.live_until and i not in book.orders)

    async def write(
        self,
        call: Call,
        order: DisclosureOrder,
        response: Message,
        repeatable: "Repeatable | None",
    ) -> bytes | None:
        """Write the next version of an order, then its entry; call it from what is `undisturbed`.

        Returns:
            None; or the remembered response, serialized, if the request_id was used meanwhile.

        Raises:
            AlreadyExists: another version came first.
        """
        book = await self._loaded()
        mark = book.marks.get(order.order_id)
        newest = await self._rows.get(SYSTEM, f"{_PREFIX}{order.order_id}")
        version = (newest[0] if newest else 0) + 1
        row = Order(salt=secrets.token_bytes(16), order=order).SerializeToString(deterministic=True)
        await self._rows.add([(RowName(SYSTEM, f"{_PREFIX}{order.order_id}", version), row)])
        live_until = 0 if order.HasField("rejection") else order.expire_time_ms
        after = Mark(_digest(row), version, live_until, set(mark.approvers) if mark else set())
        if call.method == _APPROVE:
            after.approvers.add(call.caller.spiffe_id)
        counts = {"order_version": version, "order_live_until": live_until}
        replay = await self._journal.decide_order(call, after.digest, counts, response, repeatable)
        if replay is None:
            book.marks[order.order_id] = after
            book.orders[order.order_id] = order
        return replay

    async def _loaded(self) -> _Book:
        async with self._loading:
            if self._book is None:
                self._book = await self._load()
        return self._book

    async def _load(self) -> _Book:
        book = _Book()
        async for entry in self._trail.orders():
            _take(book, entry)
        for order_id, mark in book.marks.items():
            try:
                book.orders[order_id] = await self._counted(order_id, mark)
            except DataLoss:
                continue  # reported by `lost`, and to who uses it
        return book


def state_of(order: DisclosureOrder, now: int) -> DisclosureState.ValueType:
    """The state of an order at a time."""
    if order.HasField("rejection"):
        return DISCLOSURE_STATE_CLOSED if len(order.approvals) >= APPROVALS else DISCLOSURE_STATE_REJECTED
    if now >= order.expire_time_ms:
        return DISCLOSURE_STATE_EXPIRED
    return DISCLOSURE_STATE_APPROVED if len(order.approvals) >= APPROVALS else DISCLOSURE_STATE_REQUESTED


def hold_until(order: DisclosureOrder, now: int) -> int:
    """Until when an order keeps what it covers; 0 if it does not."""
    match state_of(order, now):
        case s if s == DISCLOSURE_STATE_APPROVED:
            return order.expire_time_ms
        case s if s == DISCLOSURE_STATE_REQUESTED:
            until = min(order.expire_time_ms, order.request.time_ms + PENDING_MS)
            return until if now < until else 0
        case _:
            return 0


def etag_of(order: DisclosureOrder) -> str:
    """Changes with every change of the order."""
    return hashlib.sha256(order.SerializeToString(deterministic=True)).hexdigest()[:32]


def _take(book: _Book, entry: AuditEntry) -> None:
    """Let an entry follow, if it is about an order."""
    if not (entry.action.startswith(_SERVICE) and entry.outcome == OUTCOME_ALLOWED and entry.order_row):
        return
    counts = {count.name: count.value for count in entry.counts}
    before = book.marks.get(entry.order)
    mark = Mark(entry.order_row, counts.get("order_version", 0), counts.get("order_live_until", 0))
    mark.approvers |= before.approvers if before else set()
    if entry.action == _APPROVE:
        mark.approvers.add(entry.caller)
    book.marks[entry.order] = mark


def _digest(row: bytes) -> bytes:
    return hashlib.sha256(row).digest()


def _parsed(row: bytes) -> DisclosureOrder:
    try:
        return Order.FromString(row).order
    except DecodeError:
        raise DataLoss(_LOST) from None
