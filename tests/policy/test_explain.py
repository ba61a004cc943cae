"""An explanation is the decision in words, and the matrix is all of them that say yes."""

from itertools import product

import pytest

from tests.policy.policies import TEXT, added
from vault.errors import CallerError, InvalidArgument, PermissionDenied
from vault.policy.decide import Permit, permit
from vault.policy.explain import explain, roles_named
from vault.policy.load import parse
from vault.policy.matrix import Row, rows
from vault.policy.model import Caller, Condition
from vault.v1 import status_pb2 as status

POLICY = parse(TEXT, "policy.toml")
CARD = "payment.card_number"
CLAUSE = '"We use payment information for payment processing purposes only."'
NEWS = '"or information about new or upgraded products."'


def decision(role: str, field: str, purpose: str) -> Permit | CallerError:
    """What really happens: the permit, or the refusal."""
    category, _, name = field.partition(".")
    try:
        return permit(POLICY, Caller("x", frozenset({role})), purpose, category, (name,))
    except CallerError as refusal:
        return refusal


def test_explanation_agrees_with_the_decision_in_every_cell() -> None:
    """All roles, fields and purposes, an unknown purpose and no purpose."""
    for role, field, purpose in product(POLICY.roles, POLICY.fields, [*POLICY.purposes, "marketing", ""]):
        match decision(role, field, purpose):
            case Permit() as allowed:
                said = explain(POLICY, frozenset({role}), field, purpose)
                assert (said.allowed, said.reason) == (True, status.REASON_UNSPECIFIED)
                assert (said.purpose, said.condition) == (allowed.purpose, allowed.condition)
                assert said.text.startswith(f"{role} may read {field} for {allowed.purpose}")
                assert said.clause == POLICY.purposes[allowed.purpose].clause
            case PermissionDenied() as denial:
                said = explain(POLICY, frozenset({role}), field, purpose)
                assert (said.allowed, said.reason, said.clause) == (False, denial.reason, denial.clause)
                assert said.text.startswith(f"{role} may not read {field}")
            case _:
                with pytest.raises(InvalidArgument, match="purpose"):
                    explain(POLICY, frozenset({role}), field, purpose)


@pytest.mark.parametrize(
    ("role", "field", "purpose", "text"),
    [
        (
            "billing",
            CARD,
            "",
            f"billing may read {CARD} for payment_processing: {CLAUSE}",
        ),
        (
            "provisioning",
            CARD,
            "service_provisioning",
            f"provisioning may not read {CARD} for service_provisioning; it is for payment_processing only: {CLAUSE}",
        ),
        (
            "provisioning",
            CARD,
            "payment_processing",
            f"provisioning may not read {CARD}: the purpose payment_processing is for billing only: {CLAUSE}",
        ),
        (
            "care",
            CARD,
            "marketing",
            f"care may not read {CARD}: the policy gives it no such purpose",
        ),
        (
            "notices",
            "contact.email",
            "product_news",
            f"notices may read contact.email for product_news unless the customer has objected to it: {NEWS}",
        ),
    ],
)
def test_explanation_is_a_sentence(role: str, field: str, purpose: str, text: str) -> None:
    """Who, what, for what, under which condition, by which clause."""
    assert explain(POLICY, frozenset({role}), field, purpose).text == text


def test_explanation_names_the_condition_and_asks_no_customer() -> None:
    """What the condition is, never whether it holds of somebody."""
    said = explain(POLICY, frozenset({"partners"}), "contact.name", "partner_offers")
    assert (said.allowed, said.condition) == (True, Condition.CONSENT)


def test_unknown_field_is_refused() -> None:
    """And not repeated."""
    with pytest.raises(InvalidArgument) as refusal:
        explain(POLICY, frozenset({"care"}), "contact.nickname", "account_service")
    assert refusal.value.field == "field"
    assert "nickname" not in str(refusal.value)


def test_caller_may_be_named_by_role_or_by_certificate() -> None:
    """Anything else is refused, and not repeated."""
    policy = parse(added('[callers."spiffe://vault.example/desk"]\nroles = ["care", "sales"]'), "policy.toml")
    assert roles_named(policy, "care") == {"care"}
    assert roles_named(policy, "spiffe://vault.example/desk") == {"care", "sales"}
    for unknown in ("", "root", "everyone", "spiffe://vault.example/other"):
        with pytest.raises(InvalidArgument, match=r"^caller: must be a caller or a role that the policy names$"):
            roles_named(policy, unknown)


def test_caller_without_a_role_is_explained_too() -> None:
    """Nothing may be read, and the sentence says why."""
    said = explain(POLICY, frozenset(), "contact.name")
    assert said.text == "a caller without a role may not read contact.name: the policy gives it no such purpose"


def test_matrix_is_all_that_may_be_read() -> None:
    """A row for each cell that is allowed and none for others; purposes of counts have a row without a field."""
    found = list(rows(POLICY))
    assert len(found) == len(set(found))
    allowed = {
        (role, purpose, field)
        for role, purpose, field in product(POLICY.roles, POLICY.purposes, POLICY.fields)
        if explain(POLICY, frozenset({role}), field, purpose).allowed
    }
    assert {(r.role, r.purpose, r.field) for r in found if r.field} == allowed
    assert {(r.role, r.purpose) for r in found if not r.field} == {
        ("analytics", "traffic_analysis"),
        ("advertisers", "traffic_analysis"),
    }


def test_matrix_row_says_custody_condition_and_clause() -> None:
    """All that a privacy officer signs."""
    rule = POLICY.purposes[next(p for p in POLICY.purposes if p == "partner_offers")]
    row = Row(
        "partners",
        "partner_offers",
        "contact.name",
        rule.condition,
        rule.custody,
        rule.clause,
        "until deleted or erased",
    )
    assert row in list(rows(POLICY))
    assert row.condition is Condition.CONSENT
