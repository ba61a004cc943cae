"""What the published policy promises to customers, sentence by sentence; docs/promises.md has the table."""

import pytest

from tests.abuse.facts import consent, objection
from tests.vaults import CARD_NUMBER, OpenVault, contact
from vault.domain.fields import ALL_FIELDS
from vault.errors import PermissionDenied, VaultError
from vault.policy.load import DEFAULT, load
from vault.v1 import account_service_pb2 as accounts
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import records_pb2 as records

POLICY = load(DEFAULT)
READ = "ContactService.GetContact"


def asked(purpose: str = "") -> contacts.GetContactRequest:
    """A request for the contact of 42."""
    return contacts.GetContactRequest(customer_id="42", purpose=purpose)


async def denied(vault: OpenVault, role: str, purpose: str = "") -> bool:
    """Whether a read of the contact is denied."""
    return isinstance(await vault.refusal(role, READ, asked(purpose)), PermissionDenied)


async def test_what_a_customer_gives_is_read_for_a_purpose_or_not_at_all(vault: OpenVault) -> None:
    """Who has no purpose reads nothing, and who has one reads for no other.

    The policy says: "you can be assured that it will only be used to support your customer relationship with
    Quality Communications."
    """
    await vault.create()
    for role in (
        "storefront",
        "analytics",
        "advertisers",
        "operator",
        "auditor",
        "officer",
        "approver",
        "mail",
        "sales",
    ):
        assert await denied(vault, role)
    for role, purpose in (
        ("provisioning", "product_news"),
        ("care", "payment_processing"),
        ("billing", "partner_offers"),
    ):
        assert await denied(vault, role, purpose)


async def test_sign_up_takes_contact_and_payment_and_gives_nothing_back(vault: OpenVault) -> None:
    """The shop that takes it cannot read it again.

    The policy says: "you provide us with both contact and payment information."
    """
    answer = await vault.create()
    assert CARD_NUMBER.encode() not in answer.SerializeToString()
    assert b"Ann" not in answer.SerializeToString()
    assert await denied(vault, "storefront")


def test_contact_information_has_a_field_each() -> None:
    """Each of them is a protected field.

    The policy says: "Contact information typically includes your name, address, and phone number."
    """
    assert {"contact.name", "contact.street", "contact.city", "contact.postal_code", "contact.phone"} <= set(ALL_FIELDS)


def test_payment_information_has_a_field_each_and_none_for_the_security_code() -> None:
    """What must not be stored has no field.

    The policy says: "Payment information typically includes your credit card number."
    """
    payment = {name for name in ALL_FIELDS if name.startswith("payment.")}
    assert "payment.card_number" in payment
    assert not any(word in name for name in payment for word in ("cvv", "cvc", "pin", "track"))


async def test_a_card_is_read_for_payment_only(vault: OpenVault) -> None:
    """The vault itself cannot open it.

    The policy says: "We use payment information for payment processing purposes only."
    """
    created = await vault.create()
    card = await vault.get_card(created.record_names[1])
    assert (card.card_number, bool(card.sealed)) == ("", True)
    for role in sorted(set(POLICY.roles) - {"billing"}):
        with pytest.raises(VaultError):
            await vault.get_card(created.record_names[1], role)


async def test_contact_information_establishes_the_service(vault: OpenVault) -> None:
    """Whoever it is meant for can do it, and does it for that purpose.

    The policy says: "We use the contact information you provide us to establish our service for you."
    """
    await vault.create()
    assert (await vault.get_contact("provisioning", purpose="service_provisioning")).phone == "+49228123456"


async def test_an_account_is_managed_by_those_who_provide_the_service(vault: OpenVault) -> None:
    """Whoever it is meant for can do it, and does it for that purpose.

    The policy says: "we manage information with regard to your account status, choice of services, and customer
    logs."
    """
    await vault.create()
    account = records.Account(status="active", services=records.ServiceList(services=["fibre"]))
    put = accounts.PutAccountRequest(customer_id="42", account=account)
    await vault.call("care", "AccountService.PutAccount", put)
    get = accounts.GetAccountRequest(customer_id="42", purpose="account_service")
    found = await vault.call("care", "AccountService.GetAccount", get)
    assert (found.account.status, list(found.account.services.services)) == ("active", ["fibre"])


async def test_an_account_is_for_providing_service_only(vault: OpenVault) -> None:
    """It is kept "in the normal course of providing service." For partners and news it cannot be opened at all."""
    await vault.create()
    assert {p for f in POLICY.of_category("account") for p in POLICY.fields[f].members} == {
        "account_service",
        "service_provisioning",
        "legal_disclosure",
    }
    for role, purpose in (
        ("partners", "partner_offers"),
        ("notices", "product_news"),
        ("billing", "payment_processing"),
    ):
        get = accounts.GetAccountRequest(customer_id="42", purpose=purpose)
        assert isinstance(await vault.refusal(role, "AccountService.GetAccount", get), PermissionDenied)


def test_mail_is_opened_by_the_mail_system_alone_and_not_for_long() -> None:
    """The promise holds word for word.

    We store mail "as a necessary incident to the transmission and delivery of those communications." The vault
    cannot open it, no other role can, and what is not delivered ends by itself.
    """
    for name in POLICY.of_category("mail"):
        rule = POLICY.fields[name]
        assert rule.caller_only
        assert {role for p in rule.members for role in POLICY.purposes[p].roles} == {"mail"}
    assert POLICY.retention.messages.text == "5 days"


async def test_partners_read_whom_they_may_and_while_they_may(vault: OpenVault) -> None:
    """We "may share customer information with selected partners/third parties".

    With those whom the customer agreed to.
    """
    await vault.create()
    assert await denied(vault, "partners", "partner_offers")
    await consent(vault, "42", "partner_offers")
    assert (await vault.get_contact("partners", purpose="partner_offers")).name == "Ann Example"
    assert await denied(vault, "partners", "partner_programs")
    await consent(vault, "42", "partner_offers", given=False)
    assert await denied(vault, "partners", "partner_offers")


async def test_news_stops_at_an_objection_and_system_information_does_not(vault: OpenVault) -> None:
    """Whoever it is meant for can do it, and does it for that purpose.

    The policy says: "to provide customers with system information or information about new or upgraded products."
    """
    await vault.create()
    assert (await vault.get_contact("notices", purpose="product_news")).name == "Ann Example"
    await objection(vault, "42", "product_news")
    assert await denied(vault, "notices", "product_news")
    assert (await vault.get_contact("notices", purpose="service_notices")).name == "Ann Example"


async def test_nothing_is_disclosed_without_an_order(vault: OpenVault) -> None:
    """Whoever it is meant for can do it, and does it for that purpose.

    The policy says: "We will not otherwise disclose customer personal and account information unless we have reason
    to believe"
    """
    await vault.create(contact=contact())
    assert await denied(vault, "legal", "legal_disclosure")
    requests, approves = "DisclosureService.RequestDisclosure", "DisclosureService.ApproveDisclosure"
    assert POLICY.methods[requests].roles == {"legal"}
    assert POLICY.methods[approves].roles == {"approver"}
