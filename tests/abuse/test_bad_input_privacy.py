"""What is wrong with consents, orders of disclosure, erasures, forms and visits: refused, logged, and nothing stored.

`refused` compares both stores before and after each call; here each refusal is looked up in the log as well. A request
that is malformed is the exception: it touched nobody, so it is told to the caller and counted, and has no entry.

Policies that contradict themselves are in tests/policy/test_contradictions.py, consent that is withdrawn in the middle
of a batch is in tests/service/test_statements.py.
"""

from typing import Any

import pytest

from tests.abuse import disk
from tests.abuse.facts import BY_LETTER, consent
from tests.abuse.refusals import refused
from tests.disclosing import ALICE, BOB, HOUR_MS, approve, approved, ask, reject, request_of
from tests.vaults import OpenVault
from vault.audit.entry import parse
from vault.errors import FailedPrecondition, InvalidArgument, PermissionDenied, VaultError
from vault.policy.model import Caller, Policy
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED
from vault.v1 import consent_pb2 as said
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import disclosure_service_pb2 as disclosures
from vault.v1 import order_service_pb2 as orders
from vault.v1 import records_pb2 as records
from vault.v1 import status_pb2 as status
from vault.v1 import visitor_service_pb2 as visitors

CAROL = "spiffe://vault.example/person/carol"
COOKIE = "0123456789abcdef" * 2
APPROVE = "DisclosureService.ApproveDisclosure"
VISITS = "VisitorService.RecordVisits"


@pytest.fixture(autouse=True)
async def customer_there(vault: OpenVault) -> None:
    """The one whom all of this is about."""
    await vault.create()


async def logged(vault: OpenVault, role: str, method: str, request: Any, kind: type[VaultError]) -> VaultError:
    """A refusal that left both stores as they were, and one entry that says who was refused what."""
    before = len(await vault.entries())
    error = await refused(vault, role, method, request, kind)
    entries = [parse(each) for each in (await vault.entries())[before:]]
    if isinstance(error, InvalidArgument):
        assert entries == []
        return error
    (entry,) = entries
    assert entry.action == method
    assert entry.caller.endswith(role.rpartition("/")[2])
    assert entry.outcome != OUTCOME_ALLOWED
    return error


def deciding(order_id: str) -> disclosures.ApproveDisclosureRequest:
    """An approval."""
    return disclosures.ApproveDisclosureRequest(order_id=order_id)


async def test_nobody_approves_what_she_asked_for(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a person who has both roles, which no policy that loads would give to one."""
    known = Policy.caller
    both = Caller(CAROL, frozenset({"approver", "legal"}))
    monkeypatch.setattr(Policy, "caller", lambda self, peer: both if peer == CAROL else known(self, peer))
    order = (await vault.call(CAROL, "DisclosureService.RequestDisclosure", request_of())).order
    error = await logged(vault, CAROL, APPROVE, deciding(order.order_id), PermissionDenied)
    assert error.reason == status.REASON_NOT_DISTINCT


async def test_nobody_approves_twice(vault: OpenVault) -> None:
    """Two approvals are of two people; and a third one approves nothing more."""
    order = await ask(vault)
    await approve(vault, order.order_id, ALICE)
    error = await logged(vault, ALICE, APPROVE, deciding(order.order_id), PermissionDenied)
    assert error.reason == status.REASON_NOT_DISTINCT
    await approve(vault, order.order_id, BOB)
    for person in (ALICE, BOB, CAROL):
        await logged(vault, person, APPROVE, deciding(order.order_id), VaultError)


async def test_nobody_approves_what_is_over(vault: OpenVault) -> None:
    """Expired or rejected: the state is what is wrong, and it is said."""
    late, gone = await ask(vault), await ask(vault)
    await reject(vault, gone.order_id)
    error = await logged(vault, BOB, APPROVE, deciding(gone.order_id), FailedPrecondition)
    assert error.reason == status.REASON_STATE
    vault.now_shift = HOUR_MS + 1000
    error = await logged(vault, BOB, APPROVE, deciding(late.order_id), FailedPrecondition)
    assert error.reason == status.REASON_STATE


async def test_nobody_is_erased_under_a_hold(vault: OpenVault) -> None:
    """The officer is told by which order; when it is closed the same call works."""
    order = await approved(vault)
    erase = customers.EraseCustomerRequest(customer_id="42")
    error = await logged(vault, "officer", "CustomerService.EraseCustomer", erase, FailedPrecondition)
    assert error.reason == status.REASON_ON_HOLD
    assert order.order_id in str(error)
    await reject(vault, order.order_id)
    assert (await vault.call("officer", "CustomerService.EraseCustomer", erase)).receipt.customer_id == "42"


@pytest.mark.parametrize("name", ["nickname", "card_number", "Name", "name ", "ann@example.org"])
async def test_a_form_has_no_field_that_the_policy_does_not_name(vault: OpenVault, name: str) -> None:
    """Beside one that it does, which is not kept either."""
    form = records.FormFields(values={"product": "fibre-100", name: "anything at all"})
    saving = orders.SaveOrderFormRequest(visitor_id=COOKIE, form=form)
    await logged(vault, "storefront", "OrderService.SaveOrderForm", saving, InvalidArgument)


@pytest.mark.parametrize(
    ("purpose", "state", "notice"),
    [
        ("product_news", said.CONSENT_STATE_GIVEN, "2026-11"),
        ("no_such_purpose", said.CONSENT_STATE_GIVEN, "2026-11"),
        ("partner_offers", said.CONSENT_STATE_GIVEN, ""),
        ("partner_offers", said.CONSENT_STATE_UNSPECIFIED, "2026-11"),
    ],
)
async def test_a_consent_that_says_nothing_is_not_recorded(
    vault: OpenVault, purpose: str, state: "said.ConsentState.ValueType", notice: str
) -> None:
    """To what needs none, to what is not there, to no notice; and the one that was given before stands."""
    await consent(vault, "42", "partner_offers")
    request = customers.SetConsentRequest(
        customer_id="42", purpose=purpose, state=state, notice_version=notice, statement=BY_LETTER
    )
    await logged(vault, "officer", "CustomerService.SetConsent", request, InvalidArgument)


async def test_garbage_in_place_of_visits_is_counted_as_refused(vault: OpenVault) -> None:
    """By how many, and never which: of hosts that are none only that somebody came is kept."""
    garbage = ("\x00\x1b[2J", "' OR 1=1 --", "../../etc/passwd", "http://elsewhere.example/4111111111111111", "x" * 300)
    visits = [visitors.Visit(host=text[:200], page=text) for text in garbage]
    for visit in visits:
        visit.time.FromMilliseconds(1)
    answer = await vault.call("storefront", VISITS, visitors.RecordVisitsRequest(visits=visits))
    assert (answer.recorded, answer.refused_page + answer.refused_time) == (0, len(garbage))
    assert disk.rows(vault.home / disk.DATA, "visit_counts") == []
    assert parse((await vault.entries())[-1]).action == VISITS
