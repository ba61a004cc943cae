"""The log of a customer ("customer logs"): lines that are added and never changed, one record for each month.

A month is one value behind two locks, so that it ends as a whole: its key is destroyed when the policy's time is over,
counted from the end of the month. Adding a line writes the next version of its month, with all lines that were there;
nothing takes one away. Who adds at the same time waits for a turn, and a version that came from elsewhere meanwhile is
read again: no line is lost, and none stands twice that came under one request_id.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from vault.domain import names
from vault.domain.account import check_text
from vault.domain.audience import Custody
from vault.domain.names import CustomerId, RecordName
from vault.errors import Conflict, DataLoss, FailedPrecondition, InvalidArgument, NotFound, VaultError
from vault.policy.decide import Permit, permit
from vault.service.call import Call
from vault.service.changing import Turns, current, put_drafts
from vault.service.disclosures import under_order
from vault.service.drafts import Draft
from vault.service.entries import Touched, touched_entry
from vault.service.kinds import CUSTOMER_LOG
from vault.service.opening import Opened, customer_facts, policy_facts
from vault.service.own_fields import open_own
from vault.service.paging import DEFAULT_SIZE, SealedTokens
from vault.service.parts import Parts
from vault.storage.port import Put, Row
from vault.v1 import account_service_pb2 as v1
from vault.v1 import status_pb2 as status
from vault.v1.records_pb2 import CustomerLog, LogLine, LogLines

MOST_BYTES: Final = 1 << 20
"""Of one month's lines, which are written again with each that is added: ten thousand of a usual length."""
AHEAD_MS: Final = 5 * 60 * 1000
"""How far another machine's clock may be ahead of ours."""
_ATTEMPTS: Final = 10
_MONTHS: Final = 1000
_FIELD: Final = "log_entries"


class _Position(NamedTuple):
    """Where a line stands: a page goes on after one, wherever lines are added meanwhile."""

    time: int
    """Milliseconds since 1970."""
    at: int
    """In its month, in the order in which lines were appended."""


class CustomerLogs:
    """Adds to logs and lists them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._turns = Turns()
        self._tokens = SealedTokens(parts.keyring.vault_keys, "ListLogEntries")

    async def append_log_entries(self, call: Call, request: v1.AppendLogEntriesRequest) -> v1.AppendLogEntriesResponse:
        """Add lines, all or none."""
        customer = names.customer_id(request.customer_id)
        # The turn comes before the look-up: of two calls with one request_id the second finds the first one's answer.
        async with self._turns.of(f"{customer}/logs"):
            repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id)
            if seen is not None:
                return v1.AppendLogEntriesResponse.FromString(seen)
            months = self._by_month(call, customer, request.lines)
            for _ in range(_ATTEMPTS):
                _, facts = await self._parts.customer(call, customer)
                drafts = [await self._onto(call, name, lines) for name, lines in months.items()]
                response = await put_drafts(self._parts, call, drafts, facts.subject, _answer, repeatable)
                if response is not None:
                    return response
        raise Conflict("lines: other writes came first; send them again")

    def _by_month(
        self, call: Call, customer: CustomerId, lines: Sequence[LogLine]
    ) -> Mapping[RecordName, list[LogLine]]:
        """The lines by the record where they belong, ascending.

        Raises:
            InvalidArgument: a text is not fit for a log, or a time is not one that is kept.
        """
        found: dict[RecordName, list[LogLine]] = defaultdict(list)
        for at, line in enumerate(lines):
            check_text(line.text, f"lines[{at}].text")
            kept = LogLine(text=line.text)
            moment = _moment(line.time, f"lines[{at}].time") if line.HasField("time") else call.now
            if moment > call.now + AHEAD_MS or self._end(month_of(moment)) <= call.now:
                raise InvalidArgument(
                    f"lines[{at}].time", "must be within the time that the policy keeps, and not ahead"
                )
            kept.time.FromMilliseconds(moment)
            found[names.log_name(customer, month_of(moment))].append(kept)
        return dict(sorted(found.items()))

    async def _onto(self, call: Call, name: RecordName, lines: Sequence[LogLine]) -> Draft:
        """The month's next version: all that was there, and the new lines behind it."""
        old = await current(self._parts, call, name)
        draft = Draft(name, CUSTOMER_LOG, CustomerLog(), call.now, replaces=old)
        draft.expires_at = self._end(name.rpartition("/")[2])
        before = CustomerLog()
        if old is not None:
            draft.create_time = CustomerLog.FromString(old.record.unprotected).create_time.ToMilliseconds()
            before = await open_own(self._parts, CUSTOMER_LOG, old, [_FIELD])
        together = LogLines(lines=[*before.log_entries.lines, *lines])
        if together.ByteSize() > MOST_BYTES:
            raise FailedPrecondition(status.REASON_EXHAUSTED, "lines: the month's log is full")
        draft.message = CustomerLog(log_entries=together)
        return draft

    def _end(self, month: str) -> int:
        """When a month's record ends: the policy's time after the month."""
        year, number = map(int, month.split("-"))
        following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
        return self._parts.policy.retention.customer_logs.after(int(following.timestamp()) * 1000)

    async def list_log_entries(self, call: Call, request: v1.ListLogEntriesRequest) -> v1.ListLogEntriesResponse:
        """The lines of a time, oldest first."""
        customer = names.customer_id(request.customer_id)
        allowed = permit(self._parts.policy, call.caller, request.purpose, CUSTOMER_LOG.category, [_FIELD])
        allowed = await under_order(
            self._parts.orders, call, allowed, request.order_id, [_FIELD], CUSTOMER_LOG.category
        )
        start = _moment(request.start_time, "start_time") if request.HasField("start_time") else 0
        end = _moment(request.end_time, "end_time") if request.HasField("end_time") else 1 << 62
        after = self._position(customer, request.page_token)
        limit = request.page_size or DEFAULT_SIZE
        response = v1.ListLogEntriesResponse()
        begin = month_of(max(start, after.time))
        for batch in _batches(await self._months(customer, begin, end)):
            read = await self._parts.reader.read(call, allowed, CUSTOMER_LOG, batch)
            for name, month in zip(batch, read, strict=True):
                if allowed.custody is Custody.CALLER:
                    if (log := _log(month, name, response)).sealed:
                        response.sealed_months.append(log)
                    continue
                for position, line in _lines(_log(month, name, response)):
                    if position <= after or not start <= position.time < end:
                        continue
                    if len(response.lines) == limit:
                        response.next_page_token = self._token(customer, after)
                        return response
                    response.lines.append(line)
                    after = position
        if not call.logged:
            await self._refuse_unknown(call, customer, allowed)
        return response

    async def _months(self, customer: CustomerId, begin: str, end: int) -> list[Row]:
        """Rows of months from one on, ascending."""
        owner = names.owner_of_customer(customer)
        rows = await self._parts.store.list_rows(owner, f"{owner}/logs/", "", _MONTHS)
        months = [(row.record_name.rpartition("/")[2], row) for row in rows]
        # A row that somebody else named is no month, and read by nobody.
        known = [(month, row) for month, row in months if _is_month(month)]
        return [row for month, row in known if begin <= month and _start(month) < end]

    async def _refuse_unknown(self, call: Call, customer: CustomerId, allowed: Permit) -> None:
        """An empty listing asks for the customer all the same, so that it tells nothing of one who is unknown."""
        opened = (await self._parts.records.open([names.customer_name(customer)], call.now)).values()
        facts = [customer_facts(each) for each in opened if isinstance(each, Opened)]
        covered = allowed.covers(names.customer_name(customer))
        allowed.admit(replace(policy_facts(facts[0], call.now), ordered=covered) if facts else None)
        await self._parts.journal.append(call, touched_entry(call, Touched(), purpose=allowed.purpose))

    def _token(self, customer: CustomerId, after: _Position) -> str:
        return self._tokens.token_after(f"{customer} {after.time} {after.at}")

    def _position(self, customer: CustomerId, token: str) -> _Position:
        text = self._tokens.name_after(token)
        if not text:
            return _Position(-1, -1)
        whose, time, at = text.split(" ")
        if whose != customer:
            raise InvalidArgument("page_token", "must be one that the server gave for this customer")
        return _Position(int(time), int(at))


def month_of(moment: int) -> str:
    """`yyyy-mm` of a time in milliseconds since 1970, in UTC."""
    return datetime.fromtimestamp(max(moment, 0) / 1000, UTC).strftime("%Y-%m")


def _is_month(text: str) -> bool:
    try:
        names.month(text)
    except InvalidArgument:
        return False
    return True


def _start(month: str) -> int:
    year, number = map(int, month.split("-"))
    return int(datetime(year, number, 1, tzinfo=UTC).timestamp()) * 1000


def _moment(stamp: Timestamp, field: str) -> int:
    """A time in milliseconds since 1970.

    Raises:
        InvalidArgument: it is none of this calendar, or before 1970.
    """
    moment = stamp.seconds * 1000 + stamp.nanos // 1_000_000
    if not (0 <= stamp.seconds < 253_402_300_800 and 0 <= stamp.nanos < 1_000_000_000):  # noqa: PLR2004 - year 10000
        raise InvalidArgument(field, "must be a time from 1970 to 9999")
    return moment


def _batches(rows: Sequence[Row]) -> Iterator[list[RecordName]]:
    """Months to read at once: as many as make about one full month, and one at least."""
    batch: list[RecordName] = []
    size = 0
    for row in rows:
        if batch and size + len(row.stored) > MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(row.record_name)
        size += len(row.stored)
    if batch:
        yield batch


def _log(month: CustomerLog | VaultError, name: RecordName, response: v1.ListLogEntriesResponse) -> CustomerLog:
    """A month that was read; none in the place of one that ended meanwhile, or does not open.

    Raises:
        VaultError: the customer's facts forbid the read, of this month as of all.
    """
    if isinstance(month, CustomerLog):
        return month
    if isinstance(month, DataLoss):
        response.unreadable.append(name)
    elif not isinstance(month, NotFound) or month.reason == status.REASON_CUSTOMER_NOT_AVAILABLE:
        raise month
    return CustomerLog()


def _lines(log: CustomerLog) -> list[tuple[_Position, LogLine]]:
    lines = [(_Position(line.time.ToMilliseconds(), at), line) for at, line in enumerate(log.log_entries.lines)]
    return sorted(lines, key=lambda each: each[0])


def _answer(puts: Sequence[Put]) -> v1.AppendLogEntriesResponse:
    return v1.AppendLogEntriesResponse(record_names=[put.row.record_name for put in puts])
