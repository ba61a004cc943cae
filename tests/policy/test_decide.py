"""One function decides, and its denials say no more than they may."""

import tomllib
from collections import Counter
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.policies import TEXT, changed
from vault.domain.audience import Custody, Purpose
from vault.errors import CallerError, InvalidArgument, NotFound, PermissionDenied
from vault.policy.decide import DENIED, Permit, decide, permit, permit_call, permit_listing
from vault.policy.facts import CustomerFacts
from vault.policy.load import parse
from vault.policy.model import Caller, Condition
from vault.v1 import status_pb2 as status

POLICY = parse(TEXT, "policy.toml")
FILE = tomllib.loads(TEXT)
"""The same policy, untouched by our code: what decisions are compared with."""

FINE = CustomerFacts()
CONTACT = ("name", "street", "city", "region", "postal_code", "country_code", "phone", "email")


def a(*roles: str) -> Caller:
    """A caller with these roles."""
    return Caller("spiffe://vault.example/test", frozenset(roles))


def outcome(*question: object) -> Permit | tuple[object, ...]:
    """The permit, or all that a denial says."""
    try:
        return decide(POLICY, *question)  # type: ignore[arg-type]
    except PermissionDenied as e:
        return (type(e), e.reason, str(e), e.purpose, e.field, e.clause)
    except CallerError as e:
        return (type(e), e.reason, str(e))


def states(purpose: str) -> dict[str, CustomerFacts | None]:
    """Every state of a customer that matters to a purpose."""
    own = frozenset({purpose})
    others = frozenset(FILE["purposes"]) - own
    return {
        "unknown": None,
        "fine": FINE,
        "consents": CustomerFacts(consents=own),
        "consents to all else": CustomerFacts(consents=others),
        "objects": CustomerFacts(objections=own),
        "objects to all else": CustomerFacts(objections=others),
        "consents and objects": CustomerFacts(consents=own, objections=own),
        "restricted": CustomerFacts(restricted=True),
        "consents and is restricted": CustomerFacts(consents=own, restricted=True),
    }


READABLE_IN = {
    None: {"fine", "consents", "consents to all else", "objects", "objects to all else", "consents and objects"},
    "consent": {"consents", "consents and objects"},
    "objection": {"fine", "consents", "consents to all else", "objects to all else"},
    "order": set(),
    "own_visitor": set(),
    "aggregates": set(),
}


def test_every_role_purpose_field_and_state_is_as_the_file_says() -> None:
    """All cells, decided and compared with the file itself: no wrong allow, no wrong deny."""
    cells = Counter[bool]()
    for role, purpose, field in product(FILE["roles"], FILE["purposes"], FILE["fields"]):
        category, _, name = field.partition(".")
        rule = FILE["purposes"][purpose]
        by_policy = role in rule["roles"] and purpose in FILE["fields"][field]["audience"]
        for state, facts in states(purpose).items():
            expected = by_policy and state in READABLE_IN[rule.get("condition")]
            got = outcome(a(role), purpose, category, (name,), facts)
            assert isinstance(got, Permit) is expected, (role, purpose, field, state)
            if isinstance(got, Permit):
                assert got == Permit(Purpose(purpose), Custody(rule["custody"]), got.condition, frozenset({field}))
            cells[expected] += 1
    assert cells.total() == len(FILE["roles"]) * len(FILE["purposes"]) * len(FILE["fields"]) * 9
    assert cells[True] > 100


@pytest.mark.parametrize("purpose", POLICY.purposes)
def test_denials_that_depend_on_the_customer_cannot_be_told_apart(purpose: Purpose) -> None:
    """Unknown, no consent, objection, restriction, no order: one answer, so that nobody learns who is a customer."""
    rule = POLICY.purposes[purpose]
    role = next(iter(rule.roles))
    for category in {f.partition(".")[0] for f in POLICY.readable(purpose)}:
        answers = {outcome(a(role), purpose, category, (), facts) for facts in states(purpose).values()}
        denials = {answer for answer in answers if not isinstance(answer, Permit)}
        reason = status.REASON_CUSTOMER_NOT_AVAILABLE
        if rule.condition is Condition.NONE:
            assert denials == {(NotFound, reason, DENIED)}
        else:
            assert denials == {(PermissionDenied, reason, DENIED, "", "", "")}


def test_policy_is_asked_before_the_customer() -> None:
    """A denial by the policy is the same for a customer who is known and one who is not."""
    for role, purpose, category in product(FILE["roles"], FILE["purposes"], ("contact", "payment", "account", "mail")):
        answers = {outcome(a(role), purpose, category, (), facts) for facts in (None, FINE)}
        if any(answer[1] != status.REASON_CUSTOMER_NOT_AVAILABLE for answer in answers if isinstance(answer, tuple)):
            assert len(answers) == 1, (role, purpose, category)


def test_provisioning_is_told_that_payment_information_is_for_payment_only() -> None:
    """The field's clause, when the purpose is its own but does not cover the field."""
    with pytest.raises(PermissionDenied) as denial:
        permit(POLICY, a("provisioning"), "service_provisioning", "payment", ("card_number",))
    assert denial.value.reason == status.REASON_FIELD_NOT_ALLOWED
    assert denial.value.purpose == "service_provisioning"
    assert denial.value.field == "payment.card_number"
    assert denial.value.clause == "We use payment information for payment processing purposes only."
    assert str(denial.value) == DENIED


def test_category_without_a_readable_field_is_denied_as_a_whole() -> None:
    """Without a mask there is no first field to blame."""
    with pytest.raises(PermissionDenied) as denial:
        permit(POLICY, a("provisioning"), "service_provisioning", "payment")
    assert denial.value.reason == status.REASON_FIELD_NOT_ALLOWED
    assert denial.value.field == "payment.*"
    assert denial.value.clause == "We use payment information for payment processing purposes only."


def test_purpose_of_another_role_is_denied_with_its_clause() -> None:
    """Naming billing's purpose does not make a caller billing."""
    with pytest.raises(PermissionDenied) as denial:
        permit(POLICY, a("provisioning"), "payment_processing", "payment", ("card_number",))
    assert denial.value.reason == status.REASON_PURPOSE_NOT_ALLOWED
    assert denial.value.purpose == "payment_processing"
    assert denial.value.clause == "We use payment information for payment processing purposes only."


def test_unknown_purpose_is_denied_and_not_repeated() -> None:
    """What the policy does not know is a value of the request."""
    with pytest.raises(PermissionDenied) as denial:
        permit(POLICY, a("provisioning"), "marketing", "contact")
    assert denial.value.reason == status.REASON_PURPOSE_NOT_ALLOWED
    assert (denial.value.purpose, denial.value.field, denial.value.clause) == ("", "", "")
    assert str(denial.value) == DENIED


def test_only_purpose_may_be_left_out() -> None:
    """One is clear; of several the caller must name one; with none there is nothing to read."""
    assert permit(POLICY, a("billing"), "", "payment").purpose == "payment_processing"
    with pytest.raises(InvalidArgument) as unclear:
        permit(POLICY, a("provisioning"), "", "contact")
    assert unclear.value.field == "purpose"
    with pytest.raises(InvalidArgument):
        permit(POLICY, a("billing", "care"), "", "contact")
    for role in ("operator", "auditor", "officer", "approver"):
        with pytest.raises(PermissionDenied) as denial:
            permit(POLICY, a(role), "", "contact")
        assert denial.value.reason == status.REASON_PURPOSE_NOT_ALLOWED


def test_without_a_mask_all_fields_that_the_purpose_may_read() -> None:
    """Phone and e-mail are not for payment."""
    everything = {f"contact.{name}" for name in CONTACT}
    assert permit(POLICY, a("care"), "", "contact").fields == everything
    assert permit(POLICY, a("billing"), "", "contact").fields == everything - {"contact.phone", "contact.email"}


def test_mask_that_names_one_field_too_many_is_refused_whole() -> None:
    """No part of it is served, wherever the field stands."""
    for mask in (("name", "phone"), ("phone", "name")):
        with pytest.raises(PermissionDenied) as denial:
            permit(POLICY, a("billing"), "payment_processing", "contact", mask)
        assert denial.value.field == "contact.phone"


@given(st.lists(st.sampled_from([f for f in CONTACT if f not in {"phone", "email"}]), unique=True, min_size=1))
def test_mask_gives_exactly_what_it_names(mask: list[str]) -> None:
    """In any order, no more and no less."""
    assert permit(POLICY, a("billing"), "", "contact", mask).fields == {f"contact.{name}" for name in mask}


@pytest.mark.parametrize(
    "mask",
    [
        ("nickname",),
        ("name", "etag"),
        ("record_name",),
        ("contact.name",),
        ("*",),
        ("",),
        ("card_number",),
        ("name.x",),
    ],
)
def test_mask_of_unknown_names_is_refused_and_not_repeated(mask: tuple[str, ...]) -> None:
    """Only protected fields of the record, by their plain names."""
    with pytest.raises(InvalidArgument) as refusal:
        permit(POLICY, a("care"), "", "contact", mask)
    assert str(refusal.value) == "read_mask: must name protected fields of the record"


@pytest.mark.parametrize("mask", [("name", "name"), ("name",) * 1_000_000, (*CONTACT, "name")])
def test_mask_that_names_a_field_twice_is_refused(mask: tuple[str, ...]) -> None:
    """However long; none of it is remembered."""
    with pytest.raises(InvalidArgument, match="read_mask: must name each field once"):
        permit(POLICY, a("care"), "", "contact", mask)


def test_caller_that_may_not_read_learns_nothing_from_a_mask() -> None:
    """The purpose is looked at before the mask: authorize before validating."""
    with pytest.raises(PermissionDenied):
        permit(POLICY, a("care"), "payment_processing", "contact", ("nickname",))


def test_roles_add_up_and_purposes_do_not() -> None:
    """A caller with two roles has the purposes of both, and reads for one at a time."""
    both = a("provisioning", "billing")
    assert permit(POLICY, both, "payment_processing", "payment").fields == set(POLICY.of_category("payment"))
    with pytest.raises(PermissionDenied):
        permit(POLICY, both, "service_provisioning", "payment")


def test_caller_without_a_role_is_denied_everything() -> None:
    """A certificate that the policy does not name has no rights, whatever authority signed it."""
    nobody = POLICY.caller("spiffe://vault.example/nobody")
    for purpose, category in product(["", *FILE["purposes"]], ["contact", "payment", "account", "mail", "order"]):
        with pytest.raises(PermissionDenied):
            permit(POLICY, nobody, purpose, category)
    for method in POLICY.methods:
        with pytest.raises(PermissionDenied):
            permit_call(POLICY, nobody, method)


def test_every_role_and_method_is_as_the_file_says() -> None:
    """All cells of the method table, for pairs of roles too."""
    roles = list(FILE["roles"])
    for method, rule in ((f"{s}.{m}", r) for s, t in FILE["methods"].items() for m, r in t.items() if m != "clause"):
        allowed = {role for role in roles if role in rule or rule == ["everyone"]}
        for some in [*combinations(roles, 1), *combinations(roles, 2)]:
            assert POLICY.may_call(method, frozenset(some)) == bool(allowed & set(some)), (method, some)


def test_method_denial_says_the_clause_and_nothing_else() -> None:
    """Provisioning asks for a card: refused before the request is looked at."""
    permit_call(POLICY, a("billing"), "PaymentService.GetCard")
    with pytest.raises(PermissionDenied) as denial:
        permit_call(POLICY, a("provisioning"), "PaymentService.GetCard")
    assert denial.value.reason == status.REASON_METHOD_NOT_ALLOWED
    assert denial.value.clause == "We use payment information for payment processing purposes only."
    assert (denial.value.purpose, denial.value.field, str(denial.value)) == ("", "", DENIED)


def test_unlisted_method_is_denied() -> None:
    """To everybody."""
    with pytest.raises(PermissionDenied) as denial:
        permit_call(POLICY, a(*FILE["roles"]), "PaymentService.GetCvv")
    assert denial.value.clause == ""


def test_listing_gives_names_and_times_to_who_may_read_nothing() -> None:
    """A permit without fields; the customer is looked at all the same."""
    for role, purpose in (("care", ""), ("provisioning", ""), ("care", "account_service")):
        allowed = permit_listing(POLICY, a(role), purpose, "payment")
        assert allowed.fields == frozenset()
        assert allowed.purpose == purpose
        allowed.admit(FINE)
        with pytest.raises(NotFound):
            allowed.admit(None)
        with pytest.raises(NotFound):
            allowed.admit(CustomerFacts(restricted=True))


def test_listing_gives_fields_to_who_may_read_them() -> None:
    """As `permit` does."""
    for caller, purpose in ((a("billing"), ""), (a("billing", "care"), "payment_processing")):
        assert permit_listing(POLICY, caller, purpose, "payment") == permit(POLICY, caller, purpose, "payment")
    with pytest.raises(InvalidArgument, match="purpose"):
        permit_listing(POLICY, a("billing", "care"), "", "payment")


def test_listing_does_not_forgive_asking_for_more() -> None:
    """A field by name, or a purpose of others, is denied as everywhere."""
    with pytest.raises(PermissionDenied) as denial:
        permit_listing(POLICY, a("care"), "", "payment", ("last_four",))
    assert denial.value.field == "payment.last_four"
    with pytest.raises(PermissionDenied):
        permit_listing(POLICY, a("care"), "payment_processing", "payment")


def test_purpose_that_is_removed_denies_at_once() -> None:
    """Decisions are remembered per policy, and a reload makes another policy."""
    before = permit(POLICY, a("billing"), "payment_processing", "contact")
    assert "contact.name" in before.fields
    text = changed('[fields."contact.name"]', '"payment_processing", ', "")
    after = permit(parse(text, "policy.toml"), a("billing"), "payment_processing", "contact")
    assert after.fields == before.fields - {"contact.name"}


def test_permit_is_made_once() -> None:
    """The hot path is a look-up."""
    first = permit(POLICY, a("care"), "account_service", "contact", ("name",))
    assert permit(POLICY, a("care"), "account_service", "contact", ["name"]) is first
