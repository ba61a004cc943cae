"""Accounts and customers' logs, for care and provisioning: in plain over TLS, for purposes in the vault's custody."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vault.client.base import VaultClient, mask
from vault.client.chosen_ids import checked
from vault.client.paging import pages
from vault.client.records import RecordInfo, info_of
from vault.domain import names
from vault.errors import DataLoss, InvalidArgument
from vault.v1 import account_service_pb2
from vault.v1.records_pb2 import Account, LogLine, ServiceList

MOST_LINES = 100
"""Of one call."""


@dataclass(frozen=True, slots=True)
class PastState:
    """What an account was, from one change to the next."""

    status: str = field(repr=False)
    services: tuple[str, ...] = field(repr=False)
    start_time: datetime
    end_time: datetime


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """An account; a field that was not asked for, may not be read or was not written is empty."""

    record_name: str
    status: str = field(repr=False)
    services: tuple[str, ...] = field(repr=False)
    history: tuple[PastState, ...] = field(repr=False)
    """Oldest first."""
    etag: str
    create_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, slots=True)
class LoggedLine:
    """A line of a customer's log."""

    time: datetime
    text: str = field(repr=False)


class AccountKeeper(VaultClient):
    """Writes and reads accounts and logs."""

    async def put_account(
        self,
        customer_id: str,
        *,
        status: str | None = None,
        services: Sequence[str] | None = None,
        etag: str = "",
        request_id: str = "",
    ) -> RecordInfo:
        """Create or change an account; what it was is kept in its history.

        Args:
            customer_id: whose.
            status: the new one; empty removes it, None leaves it as it is.
            services: those that the customer has now; empty removes them, None leaves them as they are.
            etag: the newest that the caller saw; empty writes without looking.
            request_id: a UUID. The same call repeated with it has one effect and the first one's answer, for 24 hours;
                the SDK's own if empty.

        Raises:
            InvalidArgument: nothing is given, or a field breaks its rule; the value is not echoed.
            Conflict: the etag is not the newest.
        """
        changed = [name for name, value in (("services", services), ("status", status)) if value is not None]
        account = Account(status=status or "", services=ServiceList(services=services) if services else None)
        request = account_service_pb2.PutAccountRequest(
            customer_id=customer_id,
            account=account,
            update_mask=mask(changed),
            etag=etag,
            request_id=checked(request_id),
        )
        answer = await self._connection.call(self._connection.accounts.PutAccount, request)
        return info_of(answer.account, _name(customer_id))

    async def get_account(
        self, customer_id: str, *, fields: Collection[str] | None = None, purpose: str | None = None
    ) -> OpenedAccount:
        """A customer's account, and what it was.

        Args:
            customer_id: whose.
            fields: of `status`, `services`, `history`; None reads all that the purpose may.
            purpose: why; the class's own if None.

        Raises:
            NotFound: nothing there that may be known.
            PermissionDenied: the policy says no.
        """
        request = account_service_pb2.GetAccountRequest(
            customer_id=customer_id, purpose=self._why(purpose), read_mask=mask(fields)
        )
        account = (await self._connection.call(self._connection.accounts.GetAccount, request)).account
        info = info_of(account, _name(customer_id))
        return OpenedAccount(
            info.record_name,
            account.status,
            tuple(account.services.services),
            tuple(
                PastState(
                    state.status,
                    tuple(state.services),
                    state.start_time.ToDatetime(UTC),
                    state.end_time.ToDatetime(UTC),
                )
                for state in account.history.states
            ),
            info.etag,
            info.create_time,
            info.update_time,
        )

    async def append_log_entries(
        self, customer_id: str, lines: Sequence[str | LoggedLine], *, request_id: str = ""
    ) -> list[str]:
        """Add lines to a customer's log, all or none. There is no way to change or remove one.

        Args:
            customer_id: whose.
            lines: at most 100; a text is of now, a line has its own time.
            request_id: as in `put_account`: no line stands twice.

        Returns:
            The names of the months that they went to.

        Raises:
            InvalidArgument: a text breaks a rule, or a time is not within what the policy keeps.
            FailedPrecondition: the month is full.
        """
        request = account_service_pb2.AppendLogEntriesRequest(
            customer_id=customer_id, lines=map(_line, lines), request_id=checked(request_id)
        )
        answer = await self._connection.call(self._connection.accounts.AppendLogEntries, request)
        return list(answer.record_names)

    async def list_log_entries(
        self,
        customer_id: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        purpose: str | None = None,
    ) -> AsyncIterator[LoggedLine]:
        """The lines of a time, oldest first; `start` is included, `end` is not.

        Raises:
            NotFound: nothing there that may be known.
            DataLoss: a month does not open; what comes before it was given, what comes after is lost to this list only.
        """
        request = account_service_pb2.ListLogEntriesRequest(customer_id=customer_id, purpose=self._why(purpose))
        if start is not None:
            request.start_time.FromDatetime(_aware(start, "start"))
        if end is not None:
            request.end_time.FromDatetime(_aware(end, "end"))
        async for page in pages(self._connection, self._connection.accounts.ListLogEntries, request):
            for line in page.lines:
                yield LoggedLine(line.time.ToDatetime(UTC), line.text)
            if page.unreadable:
                raise DataLoss("a month of the log does not open; the vault's log names it")

    def _why(self, purpose: str | None) -> str:
        return self.purpose if purpose is None else purpose


def _line(line: str | LoggedLine) -> LogLine:
    if isinstance(line, str):
        return LogLine(text=line)
    made = LogLine(text=line.text)
    made.time.FromDatetime(_aware(line.time, "lines"))
    return made


def _aware(moment: datetime, name: str) -> datetime:
    """A time with its zone: one without would be taken for UTC, and be wrong by hours.

    Raises:
        InvalidArgument: it has none.
    """
    if moment.tzinfo is None:
        raise InvalidArgument(name, "must have a time zone")
    return moment


def _name(customer_id: str) -> str:
    return names.account_name(names.customer_id(customer_id))
