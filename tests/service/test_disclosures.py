"""Orders of disclosure: who asks, who approves, what is read under one, and what is refused with which status."""

from typing import Any

import pytest

from tests.abuse.facts import restriction
from tests.disclosing import ALICE, BOB, HOUR_MS, approve, approved, ask, reject, request_of
from tests.vaults import OpenVault, new_request_id, opened
from vault.audit.entry import parse
from vault.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    VaultError,
)
from vault.service import reading
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, OUTCOME_DENIED
from vault.v1 import account_service_pb2 as accounts
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import disclosure_service_pb2 as v1
from vault.v1 import status_pb2 as status
from vault.v1.records_pb2 import Account, LogLine

CAROL = "spiffe://vault.example/person/carol"
READ = "ContactService.GetContact"


def asked(order_id: str, customer_id: str = "42", *fields: str) -> contacts.GetContactRequest:
    """Legal's question."""
    request = contacts.GetContactRequest(customer_id=customer_id, order_id=order_id)
    request.read_mask.paths.extend(fields)
    return request


async def read(vault: OpenVault, order_id: str, *fields: str) -> set[int]:
    """Numbers of the fields that come, sealed to legal's key."""
    contact = (await vault.call("legal", READ, asked(order_id, "42", *fields))).contact
    assert not contact.name
    return {box.field for envelope in contact.sealed for box in envelope.boxes}


async def is_refused(vault: OpenVault, order_id: str, customer_id: str = "42", *fields: str) -> bool:
    """Whether legal is told what everybody is told whose condition does not hold."""
    error = await vault.refusal("legal", READ, asked(order_id, customer_id, *fields))
    return isinstance(error, PermissionDenied) and error.reason == status.REASON_CUSTOMER_NOT_AVAILABLE


async def test_legal_reads_what_two_people_approved_and_nothing_else(vault: OpenVault) -> None:
    """Not before both, not without the order, no other field, no other customer; each read is tied to the order."""
    await vault.create()
    await vault.create("43")
    order = await ask(vault)
    assert order.state == v1.DISCLOSURE_STATE_REQUESTED
    assert await is_refused(vault, order.order_id)
    assert (await approve(vault, order.order_id, ALICE)).state == v1.DISCLOSURE_STATE_REQUESTED
    assert await is_refused(vault, order.order_id)
    assert (await approve(vault, order.order_id, BOB)).state == v1.DISCLOSURE_STATE_APPROVED
    assert await read(vault, order.order_id) == {2, 8}
    assert await read(vault, order.order_id, "phone") == {8}
    assert await is_refused(vault, "")
    assert await is_refused(vault, order.order_id, "43")
    assert await is_refused(vault, order.order_id, "nobody")
    assert await is_refused(vault, order.order_id, "42", "email")
    assert await is_refused(vault, order.order_id, "42", "name", "email")
    log = [parse(e) for e in await vault.entries()]
    reads = [e for e in log if e.action == READ and e.outcome == OUTCOME_ALLOWED]
    assert [(e.order, e.purpose, list(e.fields)) for e in reads] == [
        (order.order_id, "legal_disclosure", ["contact.name", "contact.phone"]),
        (order.order_id, "legal_disclosure", ["contact.phone"]),
    ]
    denied = [e.order for e in log if e.action == READ and e.outcome == OUTCOME_DENIED]
    assert denied.count(order.order_id) == len(denied) - 1  # one named no order
    decided = [(e.caller, e.order) for e in log if e.action == "DisclosureService.ApproveDisclosure"]
    assert decided == [(ALICE, order.order_id), (BOB, order.order_id)]


async def test_a_batch_under_an_order_gives_each_customer_its_own_answer(vault: OpenVault) -> None:
    """Those whom the order covers come, the others do not."""
    for customer in ("42", "43"):
        await vault.create(customer)
    order = await approved(vault, "42", "nobody")
    request = contacts.BatchGetContactsRequest(customer_ids=["42", "43", "nobody"], order_id=order.order_id)
    answer = await vault.call("legal", "ContactService.BatchGetContacts", request)
    assert [r.WhichOneof("result") for r in answer.results] == ["contact", "error", "error"]
    reasons = {r.error.reason for r in answer.results if r.HasField("error")}
    assert reasons == {status.REASON_CUSTOMER_NOT_AVAILABLE}


async def test_an_order_ends_at_its_time(vault: OpenVault) -> None:
    """Nothing is read, approved or rejected after it."""
    await vault.create()
    order, late = await approved(vault), await ask(vault)
    vault.now_shift = HOUR_MS + 1000
    assert await is_refused(vault, order.order_id)
    for method in ("Approve", "Reject"):
        error = await _decide(vault, method, late.order_id, ALICE)
        assert isinstance(error, FailedPrecondition)
        assert error.reason == status.REASON_STATE
    listed = await vault.call("officer", "DisclosureService.ListDisclosures", v1.ListDisclosuresRequest())
    assert {o.state for o in listed.orders} == {v1.DISCLOSURE_STATE_EXPIRED}


async def test_nobody_approves_alone(vault: OpenVault) -> None:
    """Not the requester, not twice, not a service, not somebody without the role; each refusal is in the log."""
    await vault.create()
    order = await ask(vault)
    await approve(vault, order.order_id, ALICE)
    for caller, reason in (
        (ALICE, status.REASON_NOT_DISTINCT),
        ("two-hats", status.REASON_NOT_DISTINCT),
        ("legal", status.REASON_METHOD_NOT_ALLOWED),
        ("spiffe://vault.example/person/mallory", status.REASON_METHOD_NOT_ALLOWED),
    ):
        error = await _decide(vault, "Approve", order.order_id, caller)
        assert isinstance(error, PermissionDenied)
        assert error.reason == reason
        last = parse((await vault.entries())[-1])
        assert (last.action, last.outcome) == ("DisclosureService.ApproveDisclosure", OUTCOME_DENIED)
        assert last.order == (order.order_id if reason == status.REASON_NOT_DISTINCT else "")
    assert await is_refused(vault, order.order_id)


async def test_a_person_cannot_approve_what_she_asked_for(vault: OpenVault) -> None:
    """Whoever has both roles."""
    both = CAROL
    order = (await vault.call(both, "DisclosureService.RequestDisclosure", request_of())).order
    error = await _decide(vault, "Approve", order.order_id, both)
    assert error.reason == status.REASON_NOT_DISTINCT
    assert (await approve(vault, order.order_id, ALICE)).approvals[0].caller == ALICE


async def test_what_was_rejected_stays_rejected(vault: OpenVault) -> None:
    """Before the approval and after it; what was approved is then closed."""
    await vault.create()
    order = await ask(vault)
    assert (await reject(vault, order.order_id)).state == v1.DISCLOSURE_STATE_REJECTED
    assert isinstance(await _decide(vault, "Approve", order.order_id, BOB), FailedPrecondition)
    other = await approved(vault)
    assert isinstance(
        await _decide(vault, "Approve", other.order_id, "spiffe://vault.example/person/carol"), VaultError
    )
    assert await read(vault, other.order_id)
    assert (await reject(vault, other.order_id)).state == v1.DISCLOSURE_STATE_CLOSED
    assert await is_refused(vault, other.order_id)
    assert isinstance(await _decide(vault, "Reject", other.order_id, BOB), FailedPrecondition)


async def test_an_unknown_order_is_said_to_be_unknown_to_those_who_decide(vault: OpenVault) -> None:
    """And reads like any other refusal to who reads under it."""
    await vault.create()
    assert isinstance(await _decide(vault, "Approve", "no-such", ALICE), NotFound)
    assert await is_refused(vault, "no-such")
    stale = v1.ApproveDisclosureRequest(order_id=(await ask(vault)).order_id, etag="00")
    assert isinstance(await vault.refusal(ALICE, "DisclosureService.ApproveDisclosure", stale), Conflict)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fields": ["payment.card_number"]}, "fields[0]"),
        ({"fields": ["contact.name", "no.such"]}, "fields[1]"),
        ({"fields": []}, "fields"),
        ({"fields": ["contact.name", "contact.name"]}, "fields"),
        ({"ground": v1.DISCLOSURE_GROUND_UNSPECIFIED}, "ground"),
        ({"case_reference": ""}, "case_reference"),
        ({"case_reference": "4111 1111 1111 1111"}, "case_reference"),
        ({"expire_time_ms": 1}, "expire_time_ms"),
        ({"expire_time_ms": 1 << 42}, "expire_time_ms"),
        ({"customer_ids": []}, "customer_ids"),
        ({"customer_ids": ["4111111111111111"]}, "customer_ids[0]"),
    ],
)
async def test_a_malformed_request_is_refused_by_its_field(
    vault: OpenVault, changes: dict[str, Any], field: str
) -> None:
    """And nothing is stored."""
    error = await vault.refusal("legal", "DisclosureService.RequestDisclosure", request_of(**changes))
    assert isinstance(error, InvalidArgument)
    assert error.field == field
    assert not await vault.parts.orders.all()


async def test_an_order_is_for_purposes_that_need_one(vault: OpenVault) -> None:
    """Named for another it is a mistake, and said to be one."""
    await vault.create()
    request = contacts.GetContactRequest(customer_id="42", purpose="service_provisioning", order_id="some")
    assert isinstance(await vault.refusal("provisioning", READ, request), InvalidArgument)


async def test_restricted_customers_are_read_under_an_order(vault: OpenVault) -> None:
    """GDPR article 18(2): for legal claims."""
    await vault.create()
    await restriction(vault, "42")
    order = await approved(vault)
    assert await read(vault, order.order_id) == {2, 8}


async def test_repeated_calls_have_one_effect(vault: OpenVault) -> None:
    """By request_id; and an id that is taken is said to be."""
    request = request_of(request_id=new_request_id(), order_id="case-1")
    first = await vault.call("legal", "DisclosureService.RequestDisclosure", _copy(request))
    again = await vault.call("legal", "DisclosureService.RequestDisclosure", _copy(request))
    assert first == again
    taken = request_of(order_id="case-1")
    assert isinstance(await vault.refusal("legal", "DisclosureService.RequestDisclosure", taken), AlreadyExists)
    yes = v1.ApproveDisclosureRequest(order_id="case-1", request_id=new_request_id())
    once = await vault.call(ALICE, "DisclosureService.ApproveDisclosure", _copy(yes))
    assert once == await vault.call(ALICE, "DisclosureService.ApproveDisclosure", _copy(yes))
    assert len(once.order.approvals) == 1


async def test_orders_are_listed_newest_first_in_pages_and_by_customer(vault: OpenVault) -> None:
    """For legal, approvers and the officer; nobody else."""
    ids = []
    for at in range(3):
        vault.now_shift = at * 1000
        ids.append((await ask(vault, f"c{at}")).order_id)
    page = await vault.call("legal", "DisclosureService.ListDisclosures", v1.ListDisclosuresRequest(page_size=2))
    assert [o.order_id for o in page.orders] == ids[:0:-1]
    rest = v1.ListDisclosuresRequest(page_size=2, page_token=page.next_page_token)
    found = await vault.call(ALICE, "DisclosureService.ListDisclosures", rest)
    assert ([o.order_id for o in found.orders], found.next_page_token) == (ids[:1], "")
    mine = await vault.call("officer", "DisclosureService.ListDisclosures", v1.ListDisclosuresRequest(customer_id="c1"))
    assert [o.order_id for o in mine.orders] == [ids[1]]
    for role in ("care", "partners", "auditor"):
        error = await vault.refusal(role, "DisclosureService.ListDisclosures", v1.ListDisclosuresRequest())
        assert isinstance(error, PermissionDenied)


async def test_the_officer_sees_who_read_what_under_which_order(vault: OpenVault) -> None:
    """Counted by caller, purpose and order, with the first and the last time."""
    await vault.create()
    order = await approved(vault)
    await read(vault, order.order_id)
    await read(vault, order.order_id, "phone")
    await vault.get_contact()
    request = customers.GetCustomerRequest(customer_id="42", full=True)
    shown = await vault.call("officer", "CustomerService.GetCustomer", request)
    counts = {(c.caller.rpartition("/")[2], c.purpose, c.order_id): c for c in shown.reads}
    legal = counts["legal", "legal_disclosure", order.order_id]
    assert (legal.records, list(legal.fields)) == (2, ["contact.name", "contact.phone"])
    assert 0 < legal.first_time_ms <= legal.last_time_ms
    assert counts["provisioning", "service_provisioning", ""].records == 1
    assert len(counts) == 2


async def test_an_order_that_is_closed_in_the_middle_of_a_read_ends_it(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had been built does not leave."""
    await vault.create()
    order = await approved(vault)
    collect = reading.Reader._collect

    async def and_meanwhile(self: Any, *args: Any) -> Any:
        found = await collect(self, *args)
        await reject(vault, order.order_id)
        return found

    monkeypatch.setattr(reading.Reader, "_collect", and_meanwhile)
    assert await is_refused(vault, order.order_id)


async def test_orders_are_as_they_were_after_a_restart(vault: OpenVault) -> None:
    """They come from their rows, and what counts from the log."""
    await vault.create()
    order, pending = await approved(vault), await ask(vault)
    gone = await approved(vault)
    await reject(vault, gone.order_id)
    await vault.vault.close()
    async with opened(vault.home) as again:
        assert await read(again, order.order_id) == {2, 8}
        assert await is_refused(again, gone.order_id)
        await approve(again, pending.order_id, ALICE)
        assert (await approve(again, pending.order_id, BOB)).state == v1.DISCLOSURE_STATE_APPROVED


async def _decide(vault: OpenVault, what: str, order_id: str, caller: str) -> VaultError:
    request: Any = getattr(v1, f"{what}DisclosureRequest")(order_id=order_id)
    return await vault.refusal(caller, f"DisclosureService.{what}Disclosure", request)


def _copy(request: Any) -> Any:
    return type(request).FromString(request.SerializeToString())


@pytest.fixture(autouse=True)
def _more_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service with the approvers' role, and a person with two roles."""
    from vault.policy.model import Caller, Policy  # noqa: PLC0415 - used here alone

    known = Policy.caller
    more = {
        "spiffe://vault.example/two-hats": frozenset({"approver"}),
        CAROL: frozenset({"approver", "legal"}),
    }

    def caller(self: Policy, spiffe_id: str) -> Caller:
        return Caller(spiffe_id, more[spiffe_id]) if spiffe_id in more else known(self, spiffe_id)

    monkeypatch.setattr(Policy, "caller", caller)


async def test_account_and_logs_are_disclosed_under_an_order_that_names_them(vault: OpenVault) -> None:
    """As envelopes to legal's key, and not one field more; an order about the contact opens neither."""
    await vault.create()
    put = accounts.PutAccountRequest(customer_id="42", account=Account(status="active"))
    await vault.call("care", "AccountService.PutAccount", put)
    line = accounts.AppendLogEntriesRequest(customer_id="42", lines=[LogLine(text="moved")])
    await vault.call("care", "AccountService.AppendLogEntries", line)
    good = (await approved(vault, fields=["account.status", "account.log_entries"])).order_id
    other = (await approved(vault)).order_id
    empty = (await approved(vault, "43", fields=["account.log_entries"])).order_id
    await vault.create("43")
    wanted = accounts.GetAccountRequest(customer_id="42", order_id=good)
    account = (await vault.call("legal", "AccountService.GetAccount", wanted)).account
    assert (account.status, [b.field for e in account.sealed for b in e.boxes]) == ("", [2])
    months = accounts.ListLogEntriesRequest(customer_id="42", order_id=good)
    listed = await vault.call("legal", "AccountService.ListLogEntries", months)
    assert not listed.lines
    assert [len(month.sealed) for month in listed.sealed_months] == [1]
    none = accounts.ListLogEntriesRequest(customer_id="43", order_id=empty)
    assert not (await vault.call("legal", "AccountService.ListLogEntries", none)).sealed_months
    for order_id in (other, "", "unknown", empty):
        for method, kind in (
            ("GetAccount", accounts.GetAccountRequest),
            ("ListLogEntries", accounts.ListLogEntriesRequest),
        ):
            request = kind(customer_id="42", order_id=order_id)
            error = await vault.refusal("legal", f"AccountService.{method}", request)
            assert error.reason == status.REASON_CUSTOMER_NOT_AVAILABLE
