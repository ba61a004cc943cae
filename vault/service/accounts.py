"""AccountService: what a customer's account is and was; its log is in `vault.service.customer_logs`.

A change of status or services writes the state before into the account's history, in the same version of the same
record: there is no moment at which one is known and not the other. So a change opens the account first, which only the
vault itself can do.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from vault.domain import account as rules
from vault.domain import names
from vault.domain.names import CustomerId
from vault.errors import Conflict, InvalidArgument, VaultError
from vault.policy.decide import permit
from vault.service.call import Call
from vault.service.changing import current, put_drafts
from vault.service.customer_logs import CustomerLogs
from vault.service.disclosures import under_order
from vault.service.drafts import Draft
from vault.service.kinds import ACCOUNT
from vault.service.opening import Opened
from vault.service.own_fields import open_own
from vault.service.parts import Parts
from vault.storage.port import Put
from vault.v1 import account_service_pb2 as v1
from vault.v1.records_pb2 import Account

_ATTEMPTS: Final = 5
_GIVEN: Final = frozenset({"status", "services"})


class Accounts(CustomerLogs):
    """Writes and reads accounts."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)

    async def put_account(self, call: Call, request: v1.PutAccountRequest) -> v1.PutAccountResponse:
        """Create or change the account."""
        customer, parts = names.customer_id(request.customer_id), self._parts
        mask, name = _mask(request), names.account_name(customer)
        repeatable, seen = await parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return v1.PutAccountResponse.FromString(seen)
        rules.normalize(request.account)
        if request.account.record_name not in ("", name):
            raise InvalidArgument("account.record_name", "must be the customer's account, or be left out")
        for _ in range(_ATTEMPTS):
            unless = await parts.holds.unless(names.owner_of(name))
            _, facts = await parts.customer(call, customer)
            old = await current(parts, call, name)
            if request.etag and (old is None or old.row.key_id.hex() != request.etag):
                raise Conflict("etag: is not the account's newest; read it again")
            if old is not None:
                await parts.holds.check(call, facts, name)
            draft = await self._next(call, customer, request.account, mask, old)
            response = await put_drafts(
                parts, call, [draft], facts.subject, partial(_answer, draft, call.now), repeatable, unless
            )
            if response is not None:
                return response
            if request.etag:
                break
        raise Conflict("account: another write came first; read it again")

    async def _next(
        self, call: Call, customer: CustomerId, given: Account, mask: frozenset[str], old: Opened | None
    ) -> Draft:
        """The next version: what is given, what stays, and what was."""
        draft = Draft(names.account_name(customer), ACCOUNT, Account(), call.now, replaces=old)
        before = Account()
        if old is not None:
            draft.create_time = Account.FromString(old.record.unprotected).create_time.ToMilliseconds()
            before = await open_own(self._parts, ACCOUNT, old, ACCOUNT.by_name)
        after = Account()
        for field in _GIVEN:
            source = given if not mask or field in mask else before
            _take(after, source, field)
        if old is not None:
            history = rules.changed(before, after, draft.create_time, call.now)
            if history.states:
                after.history.CopyFrom(history)
        draft.message = after
        return draft

    async def get_account(self, call: Call, request: v1.GetAccountRequest) -> v1.GetAccountResponse:
        """The account, and what it was."""
        customer = names.customer_id(request.customer_id)
        mask = request.read_mask.paths
        allowed = permit(self._parts.policy, call.caller, request.purpose, ACCOUNT.category, mask)
        if not set(mask) <= set(ACCOUNT.by_name):
            raise InvalidArgument("read_mask", "must name protected fields of the account")
        allowed = await under_order(self._parts.orders, call, allowed, request.order_id, mask, ACCOUNT.category)
        response = v1.GetAccountResponse()
        name = names.account_name(customer)
        (result,) = await self._parts.reader.read(call, allowed, ACCOUNT, [name], iter([response.account]))
        if isinstance(result, VaultError):
            raise result
        return response


def _answer(draft: Draft, now: int, puts: Sequence[Put]) -> v1.PutAccountResponse:
    """Name, etag and times."""
    response = v1.PutAccountResponse()
    shown = response.account
    shown.record_name, shown.etag = draft.name, puts[0].row.key_id.hex()
    shown.create_time.FromMilliseconds(draft.create_time)
    shown.update_time.FromMilliseconds(now)
    return response


def _mask(request: v1.PutAccountRequest) -> frozenset[str]:
    mask = frozenset(request.update_mask.paths)
    if not mask <= _GIVEN:
        raise InvalidArgument("update_mask", "must name status or services")
    for field, value in (("status", request.account.status), ("services", request.account.services.services)):
        if mask and value and field not in mask:
            raise InvalidArgument(f"account.{field}", "is given but not in the update_mask")
    return mask


def _take(account: Account, source: Account, field: str) -> None:
    """Take a field over; services that are none are left out, so that they have no box."""
    if field == "status":
        account.status = source.status
    elif source.services.services:
        account.services.CopyFrom(source.services)
