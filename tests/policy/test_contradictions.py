"""Two lines that are right each and wrong together are refused, by the path of the one to change."""

import pytest

from tests.policy.policies import added, changed
from vault.errors import ConfigError
from vault.policy.load import parse

ALICE = '[callers."spiffe://vault.example/person/alice"]\nroles = ["approver", "legal"]'
IDLE = '[purposes.surveys]\ncustody = "vault"\nroles = ["care"]\nclause = "x"'

# test id: text of the policy, key path, part of the reason.
REFUSED = {
    "a customer's field behind a visitor's cookie": (
        changed('[fields."contact.phone"]', '"service_provisioning"', '"site_personalization"'),
        'fields."contact.phone".audience[0]',
        "this field is a customer's",
    ),
    "a visitor's field behind a customer's consent": (
        changed(
            '[fields."site.preferences"]', '["site_personalization"]', '["site_personalization", "partner_offers"]'
        ),
        'fields."site.preferences".audience[1]',
        "it would never hold",
    ),
    "a purpose that reads nothing": (added(IDLE), "purposes.surveys", "is in the audience of no field"),
    "a role that has the purpose and no call": (
        changed("[purposes.product_news]", '["notices"]', '["notices", "sales"]'),
        "purposes.product_news.roles[1]",
        "has no call that does; give it ContactService.GetContact",
    ),
    "a role that cannot get the keys to open with": (
        changed("[methods.KeyService]", 'GetEpochKeys       = ["billing", "mail", "legal"]', 'GetEpochKeys=["mail"]'),
        "purposes.payment_processing.roles[0]",
        "may not call KeyService.GetEpochKeys",
    ),
    "a call for cards without a purpose for cards": (
        changed(
            "[methods.PaymentService]",
            'GetCard       = ["billing"]\nBatch',
            'GetCard       = ["billing", "care"]\nBatch',
        ),
        "methods.PaymentService.GetCard[1]",
        "has no purpose that reads payment",
    ),
    "one role that requests and approves": (
        changed("[methods.DisclosureService]", 'ApproveDisclosure = ["approver"]', 'ApproveDisclosure = ["legal"]'),
        "methods.DisclosureService.ApproveDisclosure[0]",
        "one person could do both",
    ),
    "everyone approves": (
        changed("[methods.DisclosureService]", 'ApproveDisclosure = ["approver"]', 'ApproveDisclosure = ["everyone"]'),
        "methods.DisclosureService.ApproveDisclosure[0]",
        "one person could do both",
    ),
    "one caller who requests and approves": (
        added(ALICE),
        'callers."spiffe://vault.example/person/alice".roles',
        "give the roles to two callers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_contradiction_is_refused_at_the_line_to_change(case: str) -> None:
    """By its path, with what to do, and never with what stands there."""
    text, key, why = REFUSED[case]
    with pytest.raises(ConfigError) as refused:
        parse(text, "policy.toml")
    assert refused.value.key == key
    assert why in refused.value.why


def test_two_callers_with_a_role_each_are_no_contradiction() -> None:
    """Only one caller with both is."""
    tables = (
        ALICE.replace('"approver", "legal"', '"approver"')
        + "\n"
        + ALICE.replace("alice", "lee").replace('approver", "', "")
    )
    assert len(parse(added(tables), "policy.toml").callers) == 2
