"""SetConsent, SetObjection, RestrictCustomer: what counts from when on, what is refused, what is shown to whom."""

import asyncio
import time
from typing import Any

import pytest

from tests.abuse.facts import BY_LETTER, consent, objection, restriction
from tests.vaults import OpenVault, new_request_id
from vault.audit.entry import parse
from vault.errors import (
    CallerError,
    Conflict,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    VaultError,
)
from vault.service import reading
from vault.v1 import consent_pb2 as said
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as v1
from vault.v1 import status_pb2 as status

OFFERS = "partner_offers"


async def partner_reads(vault: OpenVault, customer_id: str = "42") -> str:
    """The name that a partner gets."""
    return (await vault.get_contact("partners", customer_id, purpose=OFFERS)).name


async def is_denied(vault: OpenVault, role: str, purpose: str) -> bool:
    """Whether a read is refused for what the customer said."""
    request = contacts.GetContactRequest(customer_id="42", purpose=purpose)
    error = await vault.refusal(role, "ContactService.GetContact", request)
    return error.reason == status.REASON_CUSTOMER_NOT_AVAILABLE


async def full(vault: OpenVault, customer_id: str = "42") -> Any:
    """What the officer sees."""
    request = v1.GetCustomerRequest(customer_id=customer_id, full=True)
    return await vault.call("officer", "CustomerService.GetCustomer", request)


async def test_partners_need_consent_from_the_next_read_on(vault: OpenVault) -> None:
    """Refused, given, withdrawn: and the log has each with its purpose, and not what was said."""
    await vault.create()
    assert await is_denied(vault, "partners", OFFERS)
    await consent(vault, "42", OFFERS)
    assert await partner_reads(vault) == "Ann Example"
    assert await is_denied(vault, "partners", "partner_programs")
    await consent(vault, "42", OFFERS, given=False)
    assert await is_denied(vault, "partners", OFFERS)
    entries = [e for e in map(parse, await vault.entries()) if e.action == "CustomerService.SetConsent"]
    assert [(e.purpose, len(e.written), len(e.replaced)) for e in entries] == [(OFFERS, 1, 1)] * 2
    assert entries[0].written == entries[1].replaced


async def test_a_consent_from_before_the_withdrawal_does_not_undo_it(vault: OpenVault) -> None:
    """A letter that lay about for a week; the same letter is taken where nothing was said since."""
    await vault.create()
    week_ago = said.Statement(channel=said.CONSENT_CHANNEL_LETTER, event_time_ms=_days_ago(7))
    late = v1.SetConsentRequest(
        customer_id="42", purpose=OFFERS, state=said.CONSENT_STATE_GIVEN, notice_version="2026-11", statement=week_ago
    )
    await consent(vault, "42", OFFERS, given=False)
    error = await vault.refusal("officer", "CustomerService.SetConsent", late)
    assert isinstance(error, FailedPrecondition)
    assert error.reason == status.REASON_STATE
    assert await is_denied(vault, "partners", OFFERS)
    assert len([e for e in map(parse, await vault.entries()) if e.action == "CustomerService.SetConsent"]) == 2
    await vault.call("officer", "CustomerService.SetConsent", _changed(late, purpose="partner_programs"))
    assert (await vault.get_contact("partners", purpose="partner_programs")).name


async def test_a_withdrawal_is_taken_whenever_it_was_said(vault: OpenVault) -> None:
    """To err on the side of the customer needs no date."""
    await vault.create()
    await consent(vault, "42", OFFERS)
    late = v1.SetConsentRequest(
        customer_id="42",
        purpose=OFFERS,
        state=said.CONSENT_STATE_WITHDRAWN,
        statement=said.Statement(channel=said.CONSENT_CHANNEL_LETTER, event_time_ms=_days_ago(7)),
    )
    await vault.call("officer", "CustomerService.SetConsent", late)
    assert await is_denied(vault, "partners", OFFERS)


async def test_what_is_lifted_by_an_older_letter_stays(vault: OpenVault) -> None:
    """An objection and a restriction, like a withdrawal."""
    await vault.create()
    await objection(vault, "42", "product_news")
    await restriction(vault, "42")
    week_ago = said.Statement(channel=said.CONSENT_CHANNEL_LETTER, event_time_ms=_days_ago(7))
    for method, request in (
        ("SetObjection", v1.SetObjectionRequest(customer_id="42", purpose="product_news", statement=week_ago)),
        ("RestrictCustomer", v1.RestrictCustomerRequest(customer_id="42", statement=week_ago)),
    ):
        error = await vault.refusal("officer", f"CustomerService.{method}", request)
        assert isinstance(error, FailedPrecondition)
    await restriction(vault, "42", restricted=False)
    assert await is_denied(vault, "notices", "product_news")


def _days_ago(days: int) -> int:
    return time.time_ns() // 1_000_000 - days * 24 * 3_600_000


def _changed(request: v1.SetConsentRequest, **changes: Any) -> v1.SetConsentRequest:
    changed = v1.SetConsentRequest(**changes)
    merged = v1.SetConsentRequest()
    merged.CopyFrom(request)
    merged.MergeFrom(changed)
    return merged


async def test_an_objection_stops_news_and_not_notices(vault: OpenVault) -> None:
    """News of products is advertising; system information is part of the service."""
    await vault.create()
    await objection(vault, "42", "product_news")
    assert await is_denied(vault, "notices", "product_news")
    assert (await vault.get_contact("notices", purpose="service_notices")).name
    await objection(vault, "42", "product_news", objects=False)
    assert (await vault.get_contact("notices", purpose="product_news")).name


async def test_a_consent_ends_by_itself(vault: OpenVault) -> None:
    """At the time that it was given for."""
    await vault.create()
    request = _consent(expire_time_ms=time.time_ns() // 1_000_000 + 60_000)
    await vault.call("officer", "CustomerService.SetConsent", request)
    assert await partner_reads(vault)
    vault.now_shift = 61_000
    assert await is_denied(vault, "partners", OFFERS)


async def test_the_officer_sees_the_history_and_nobody_else(vault: OpenVault) -> None:
    """With version of the notice, time, channel, and who recorded it."""
    await vault.create()
    answer = await consent(vault, "42", OFFERS)
    await consent(vault, "42", OFFERS, given=False)
    await objection(vault, "42", "product_news")
    await restriction(vault, "42")
    shown = (await full(vault)).statements
    (record,) = shown.consents
    assert record.consent_id == answer.consent.consent_id
    assert [e.state for e in record.events] == [said.CONSENT_STATE_GIVEN, said.CONSENT_STATE_WITHDRAWN]
    first = record.events[0]
    assert (first.notice_version, first.channel) == ("2026-11", said.CONSENT_CHANNEL_LETTER)
    assert first.recorded_by == "spiffe://vault.example/officer"
    assert first.event_time_ms == first.record_time_ms > 0
    assert [o.purpose for o in shown.objections] == ["product_news"]
    assert [r.restricted for r in shown.restrictions] == [True]
    for role in ("care", "provisioning", "billing"):
        request = v1.GetCustomerRequest(customer_id="42", full=True)
        error = await vault.refusal(role, "CustomerService.GetCustomer", request)
        assert isinstance(error, PermissionDenied)
        plain = v1.GetCustomerRequest(customer_id="42")
        assert not (await vault.call(role, "CustomerService.GetCustomer", plain)).HasField("statements")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"purpose": "service_notices"}, "purpose"),
        ({"purpose": "product_news"}, "purpose"),
        ({"purpose": "nothing_known"}, "purpose"),
        ({"notice_version": ""}, "notice_version"),
        ({"notice_version": "4111111111111111"}, "notice_version"),
        ({"expire_time_ms": 1}, "expire_time_ms"),
        ({"state": said.CONSENT_STATE_WITHDRAWN, "expire_time_ms": 1 << 42}, "expire_time_ms"),
        ({"statement": said.Statement(channel=said.CONSENT_CHANNEL_EMAIL, event_time_ms=1)}, "statement.event_time_ms"),
        ({"statement": said.Statement(channel=said.CONSENT_CHANNEL_EMAIL, event_time_ms=1 << 42)}, "statement.event"),
        ({"statement": said.Statement()}, "statement.channel"),
        ({"state": said.CONSENT_STATE_UNSPECIFIED}, "state"),
    ],
)
async def test_a_contradictory_consent_is_refused_and_nothing_stored(
    vault: OpenVault, changes: dict[str, Any], field: str
) -> None:
    """By the field that contradicts."""
    await vault.create()
    error = await vault.refusal("officer", "CustomerService.SetConsent", _consent(**changes))
    assert isinstance(error, InvalidArgument)
    assert error.field.startswith(field)
    assert not (await full(vault)).statements.consents


async def test_objections_and_restrictions_that_contradict_are_refused(vault: OpenVault) -> None:
    """What no objection stops; a restriction without a ground; lifting what is not there."""
    await vault.create()
    for purpose in ("service_notices", OFFERS):
        objects = v1.SetObjectionRequest(customer_id="42", purpose=purpose, objects=True, statement=BY_LETTER)
        error: VaultError = await vault.refusal("officer", "CustomerService.SetObjection", objects)
        assert isinstance(error, InvalidArgument)
    groundless = v1.RestrictCustomerRequest(customer_id="42", restricted=True, statement=BY_LETTER)
    error = await vault.refusal("officer", "CustomerService.RestrictCustomer", groundless)
    assert isinstance(error, InvalidArgument)
    lift = v1.RestrictCustomerRequest(customer_id="42", statement=BY_LETTER)
    error = await vault.refusal("officer", "CustomerService.RestrictCustomer", lift)
    assert isinstance(error, FailedPrecondition)
    assert error.reason == status.REASON_STATE


async def test_a_repeated_statement_is_recorded_once(vault: OpenVault) -> None:
    """By its request_id; and an etag guards against what the officer did not see."""
    await vault.create()
    request = _consent(request_id=new_request_id())
    first = await vault.call("officer", "CustomerService.SetConsent", _copy(request))
    again = await vault.call("officer", "CustomerService.SetConsent", _copy(request))
    assert first == again
    assert len((await full(vault)).statements.consents[0].events) == 1
    stale = _consent(etag="00")
    assert isinstance(await vault.refusal("officer", "CustomerService.SetConsent", stale), Conflict)
    newest = _consent(etag=first.customer.etag)
    assert (await vault.call("officer", "CustomerService.SetConsent", newest)).customer.etag != first.customer.etag


async def test_an_unknown_customer_says_nothing(vault: OpenVault) -> None:
    """Neither do others than the officer speak for one."""
    error = await vault.refusal("officer", "CustomerService.SetConsent", _consent(customer_id="nobody"))
    assert isinstance(error, NotFound)
    assert isinstance(await vault.refusal("partners", "CustomerService.SetConsent", _consent()), PermissionDenied)


async def test_many_statements_at_once_are_all_recorded(vault: OpenVault) -> None:
    """Each on top of the one before; who loses too often is told to read again."""
    await vault.create()
    done = await asyncio.gather(*(consent(vault, "42", OFFERS) for _ in range(3)), return_exceptions=True)
    recorded = sum(not isinstance(answer, BaseException) for answer in done)
    assert all(isinstance(answer, (v1.SetConsentResponse, Conflict)) for answer in done)
    assert recorded == len((await full(vault)).statements.consents[0].events) > 0


async def test_consent_withdrawn_in_the_middle_of_a_batch_holds_for_all_of_it(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The facts were fetched, the withdrawal is acknowledged: what had been built does not leave."""
    ids = [f"c{at}" for at in range(3)]
    for customer in ids:
        await vault.create(customer)
        await consent(vault, customer, OFFERS)
    collect = reading.Reader._collect
    rounds: list[int] = []

    async def and_meanwhile(self: Any, *args: Any) -> Any:
        found = await collect(self, *args)
        rounds.append(len(rounds))
        if len(rounds) == 1:
            await consent(vault, "c1", OFFERS, given=False)
        return found

    monkeypatch.setattr(reading.Reader, "_collect", and_meanwhile)
    request = contacts.BatchGetContactsRequest(customer_ids=ids, purpose=OFFERS)
    answer = await vault.call("partners", "ContactService.BatchGetContacts", request)
    assert [result.WhichOneof("result") for result in answer.results] == ["contact", "error", "contact"]
    assert answer.results[1].error.reason == status.REASON_CUSTOMER_NOT_AVAILABLE
    assert len(rounds) == 2
    log = [parse(e) for e in await vault.entries()]
    assert [e.action for e in log if e.time][-2:] == ["CustomerService.SetConsent", "ContactService.BatchGetContacts"]


async def test_no_read_stands_behind_the_change_that_forbids_it(vault: OpenVault) -> None:
    """Reads and changes at once, many times: the log's order decides, and answers agree with it."""
    await vault.create()
    await consent(vault, "42", OFFERS)

    async def read() -> bool:
        try:
            return bool(await partner_reads(vault))
        except CallerError:
            return False

    for given in (False, True) * 5:
        await asyncio.gather(*(read() for _ in range(4)), consent(vault, "42", OFFERS, given=given), read(), read())
    holds, allowed = True, 0
    states = iter([True, *(False, True) * 5])
    for entry in map(parse, await vault.entries()):
        if entry.action == "CustomerService.SetConsent":
            holds = next(states)
        elif entry.action == "ContactService.GetContact":
            assert (entry.outcome == 1) is holds
            allowed += holds
    assert allowed


async def test_facts_that_change_all_the_time_are_not_read(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some attempts the caller is told to come again, and nothing leaves."""
    await vault.create()
    await consent(vault, "42", OFFERS)
    monkeypatch.setattr(vault.parts.journal.freshness, "stale", lambda *_: True)
    request = contacts.GetContactRequest(customer_id="42", purpose=OFFERS)
    error = await vault.refusal("partners", "ContactService.GetContact", request)
    assert error.reason == status.REASON_UNAVAILABLE


def _consent(**changes: Any) -> v1.SetConsentRequest:
    fields: dict[str, Any] = {
        "customer_id": "42",
        "purpose": OFFERS,
        "state": said.CONSENT_STATE_GIVEN,
        "notice_version": "2026-11",
        "statement": BY_LETTER,
    }
    return v1.SetConsentRequest(**{**fields, **changes})


def _copy(request: v1.SetConsentRequest) -> v1.SetConsentRequest:
    return v1.SetConsentRequest.FromString(request.SerializeToString())
