"""How long a field is kept, as a table says it."""

import pytest

from tests.policy.policies import TEXT
from vault.domain.fields import ALL_FIELDS
from vault.policy.keeping import ENDS, UNTIL_DELETED, kept, kept_all
from vault.policy.load import parse
from vault.policy.retention import KINDS

POLICY = parse(TEXT, "policy.toml")


@pytest.mark.parametrize(
    ("field", "period"),
    [
        ("contact.phone", UNTIL_DELETED),
        ("account.status", UNTIL_DELETED),
        ("account.log_entries", "13 months"),
        ("mail.body", "5 days"),
        ("site.preferences", "13 months"),
        ("order.form", "24h, or with the order"),
    ],
)
def test_a_field_is_kept_as_the_policy_says(field: str, period: str) -> None:
    """Or until somebody has it destroyed."""
    assert kept(POLICY, field) == period


def test_no_line_of_the_policy_is_for_nothing() -> None:
    """Each period is that of a field, and each field or category is one of the API."""
    assert {*ENDS.values(), "visits"} == set(KINDS)  # counts of visits are in no field
    assert all(any(name == of or name.startswith(f"{of}.") for name in ALL_FIELDS) for of in ENDS)


def test_several_fields_are_said_together() -> None:
    """One period once; the others with the fields that they are for."""
    assert kept_all(POLICY, ["contact.name", "account.status"]) == UNTIL_DELETED
    mixed = kept_all(POLICY, ["account.status", "account.log_entries"])
    assert mixed == f"{UNTIL_DELETED}; account.log_entries 13 months"
    assert kept_all(POLICY, ["mail.body", "site.preferences"]) == "mail.body: 5 days; site.preferences: 13 months"
