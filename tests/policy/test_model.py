"""The tables of a policy answer for what it names, and give nothing to what it does not."""

import pytest

from tests.policy.policies import TEXT
from vault.domain.fields import ALL_FIELDS
from vault.policy.load import parse

POLICY = parse(TEXT, "policy.toml")


def test_audience_is_canonical() -> None:
    """However it is ordered in the file: it stands in key derivations."""
    assert POLICY.audience("account.status") == "account_service+legal_disclosure+service_provisioning"
    assert POLICY.audience("payment.brand") == "payment_processing"


def test_field_that_the_api_does_not_have_is_a_mistake_of_ours() -> None:
    """Field names come from descriptors, so an unknown one must not pass for an empty audience."""
    with pytest.raises(KeyError):
        POLICY.audience("payment.cvv")


def test_categories_are_those_of_the_api() -> None:
    """In its order, and complete."""
    assert POLICY.of_category("mail") == ("mail.sender", "mail.recipients", "mail.dsn", "mail.body")
    categories = ("contact", "payment", "account", "mail", "order", "site")
    assert [name for category in categories for name in POLICY.of_category(category)] == list(ALL_FIELDS)


def test_what_is_unknown_has_nothing() -> None:
    """No role, no purpose, no field: unknown names are denied by being empty."""
    assert POLICY.roles_of("spiffe://vault.example/nobody") == frozenset()
    assert POLICY.caller("spiffe://vault.example/nobody").roles == frozenset()
    assert POLICY.purposes_of({"root"}) == frozenset()
    assert POLICY.readable("marketing") == frozenset()
    assert POLICY.of_category("cards") == ()
    assert not POLICY.may_call("PaymentService.GetCvv", frozenset({"billing"}))


def test_everyone_is_every_role() -> None:
    """And nobody without one."""
    assert POLICY.methods["PolicyService.GetPolicy"].roles == set(POLICY.roles)
    assert not POLICY.may_call("PolicyService.GetPolicy", frozenset())
    assert not POLICY.may_call("PolicyService.GetPolicy", frozenset({"everyone"}))
