"""Every protected message of the API is written, locked, opened and read in one way, whoever owns it."""

import time
from typing import Any

import pytest

from tests.vaults import OpenVault
from vault.domain import names
from vault.domain.audience import Custody, Purpose
from vault.domain.fields import ALL_FIELDS
from vault.domain.names import OwnerKind, RecordName
from vault.errors import DataLoss, NotFound, PermissionDenied
from vault.policy.decide import Permit, permit
from vault.policy.model import Caller, Condition
from vault.service import kinds
from vault.service.call import Call
from vault.service.drafts import Draft
from vault.service.entries import NO_DIGEST, new_subject
from vault.service.kinds import ACCOUNT, CUSTOMER_LOG, MESSAGE, ORDER_FORM, PREFERENCES, Kind
from vault.service.opening import Opened
from vault.service.writing import Change
from vault.storage.port import Item, Result
from vault.v1 import records_pb2 as records

VISITOR = names.VisitorId("0123456789abcdef0123456789abcdef")
PLACE = names.preferences_name(VISITOR)
LIKES = records.SitePreferences(preferences=records.FormFields(values={"theme": "dark"}))
HOUR_MS = 3_600_000


def call_now(role: str = "storefront", shift: int = 0) -> Call:
    """A call of a role."""
    caller = Caller(f"spiffe://vault.example/{role}", frozenset({role}))
    return Call(caller, "Test.Call", time.time_ns() // 1_000_000 + shift)


async def write(vault: OpenVault, *drafts: Draft) -> None:
    """Put drafts of any kinds and owners in one transaction."""
    parts, call = vault.parts, call_now()
    await parts.writer.prepare(drafts, call.now)
    puts, digests = [], []
    for draft in drafts:
        put, written, _ = parts.writer.put(draft, call.now)
        puts.append(put)
        digests.append((draft.name, written, NO_DIGEST))
    change = Change(Item(puts[0].row.owner, tuple(puts)), new_subject(), digests)
    results, _ = await parts.journal.commit(call, [change], lambda _: None)
    assert results == (Result.DONE,)


async def read(vault: OpenVault, kind: Kind[Any], name: RecordName, role: str, purpose: str, shift: int = 0) -> Any:
    """Read one record as the services do; its error is returned."""
    call = call_now(role, shift)
    allowed = permit(vault.parts.policy, call.caller, purpose, kind.category)
    (found,) = await vault.parts.reader.read(call, allowed, kind, [name])
    return found


def preferences(**changes: Any) -> Draft:
    """A visitor's."""
    return Draft(PLACE, PREFERENCES, LIKES, call_now().now, **changes)


def test_every_protected_field_is_of_one_kind() -> None:
    """A message that the API protects and no kind knows could be written by nobody."""
    known = [value for value in vars(kinds).values() if isinstance(value, Kind)]
    assert sorted(f.policy_name for kind in known for f in kind.by_name.values()) == sorted(ALL_FIELDS)


async def test_a_visitors_record_is_read_by_who_has_its_name(vault: OpenVault) -> None:
    """There is no customer behind it; the purpose's condition is that it is the visitor's own."""
    await write(vault, preferences())
    found = await read(vault, PREFERENCES, PLACE, "storefront", "site_personalization")
    assert dict(found.preferences.values) == {"theme": "dark"}
    assert found.record_name == PLACE
    assert found.create_time.ToMilliseconds() > 0


async def test_a_visitor_who_is_not_there_is_not_found(vault: OpenVault) -> None:
    """And is no customer who is not available."""
    found = await read(vault, PREFERENCES, PLACE, "storefront", "site_personalization")
    assert isinstance(found, NotFound)


async def test_an_expired_record_is_not_there_whether_swept_or_not(vault: OpenVault) -> None:
    """One millisecond decides; the row is still there."""
    ends = call_now().now + HOUR_MS
    await write(vault, preferences(expires_at=ends))
    assert isinstance(
        await read(vault, PREFERENCES, PLACE, "storefront", "site_personalization"), records.SitePreferences
    )
    gone = await read(vault, PREFERENCES, PLACE, "storefront", "site_personalization", shift=HOUR_MS + 1000)
    assert isinstance(gone, NotFound)
    assert PLACE in await vault.parts.store.fetch([PLACE])
    assert isinstance((await vault.parts.records.open([PLACE], ends, expired=True))[PLACE], Opened)
    assert (await vault.parts.records.open([PLACE], ends)) == {}


async def test_kinds_of_two_owners_are_written_together(vault: OpenVault) -> None:
    """An account, a month of log, an order and a form: all or nothing, each readable for its purpose."""
    await vault.create()
    account, month = names.account_name(names.CustomerId("42")), names.log_name(names.CustomerId("42"), "2026-11")
    order, form = names.order_name(names.CustomerId("42"), "o1"), names.form_name(VISITOR)
    now = call_now().now
    fields = records.FormFields(values={"plan": "fibre"})
    services = records.ServiceList(services=["fibre"])
    log = records.CustomerLog(log_entries=records.LogLines(lines=[records.LogLine(text="called")]))
    await write(
        vault,
        Draft(account, ACCOUNT, records.Account(status="active", services=services), now),
        Draft(month, CUSTOMER_LOG, log, now),
        Draft(order, ORDER_FORM, records.OrderForm(form=fields), now),
        Draft(form, ORDER_FORM, records.OrderForm(form=fields), now),
    )
    found = await read(vault, ACCOUNT, account, "care", "account_service")
    assert (found.status, list(found.services.services)) == ("active", ["fibre"])
    assert (await read(vault, CUSTOMER_LOG, month, "care", "account_service")).log_entries == log.log_entries
    for name in (order, form):
        assert (await read(vault, ORDER_FORM, name, "sales", "order_tracking")).form == fields


async def test_what_stands_beside_the_boxes_holds_no_protected_field(vault: OpenVault) -> None:
    """A protected value that a use case leaves in there is taken out, and not stored in the clear."""
    await write(vault, preferences(beside=records.SitePreferences(etag="kept", preferences=LIKES.preferences)))
    opened = (await vault.parts.records.open([PLACE], call_now().now))[PLACE]
    assert isinstance(opened, Opened)
    assert b"dark" not in opened.record.unprotected
    assert b"kept" in opened.record.unprotected


async def test_a_protected_value_outside_of_the_boxes_is_loss(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who could write one there could not be told from the vault: a reader refuses the record."""
    monkeypatch.setattr("vault.crypto.fields.clear_protected", lambda _: None)
    await write(vault, preferences(beside=LIKES))
    assert isinstance(await read(vault, PREFERENCES, PLACE, "storefront", "site_personalization"), DataLoss)


@pytest.mark.parametrize("condition", list(Condition))
@pytest.mark.parametrize("owner", list(OwnerKind))
def test_who_is_no_customer_is_read_without_a_condition_or_as_the_visitor(
    condition: Condition, owner: OwnerKind
) -> None:
    """Consent, objection and order are about customers; a customer is never admitted without facts."""
    allowed = Permit(Purpose("p"), Custody.VAULT, condition, frozenset({"site.preferences"}))
    may = (owner is OwnerKind.VISITOR and condition in (Condition.NONE, Condition.OWN_VISITOR)) or (
        owner is OwnerKind.DOMAIN and condition is Condition.NONE
    )
    if may:
        allowed.admit_other(owner)
        return
    with pytest.raises(NotFound if condition is Condition.NONE else PermissionDenied):
        allowed.admit_other(owner)


async def test_a_message_of_a_domain_has_no_customer(vault: OpenVault) -> None:
    """Mail for a mailbox that nobody knows waits under its domain."""
    name = names.message_name(names.owner_of_domain(names.Domain("example.org")), "m1")
    assert isinstance(await read(vault, MESSAGE, name, "mail", "mail_delivery"), NotFound)


async def test_the_log_names_the_fields_of_the_record_alone(vault: OpenVault) -> None:
    """A category may have several kinds: reading an account is not reading the log."""
    await vault.create()
    account = names.account_name(names.CustomerId("42"))
    await write(vault, Draft(account, ACCOUNT, records.Account(status="active"), call_now().now))
    await read(vault, ACCOUNT, account, "care", "account_service")
    last = (await vault.entries())[-1]
    assert b"account.status" in last
    assert b"account.log_entries" not in last
