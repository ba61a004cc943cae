"""The commands of the privacy policy: what customers say, and orders of disclosure, on a vault that runs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli.test_commands import create, here, here_json
from tests.running import RunningVault, new_id
from vault.client import OpenedContact
from vault.client.sync import LegalClient, OfficerClient, PartnerClient
from vault.errors import InvalidArgument, PermissionDenied, VaultError

BY_LETTER = ("--channel", "letter")


def consent(vault: RunningVault, customer: str, state: str, *more: str) -> Any:
    """Record a consent to partners' offers."""
    return here_json(vault, "consent", "set", customer, "partner_offers", state, *BY_LETTER, *more)


def test_a_partner_reads_once_the_customer_has_agreed(running_vault: RunningVault) -> None:
    """And is counted; once withdrawn it reads no more, and the officer sees all of that."""
    customer = create(running_vault, card=False)
    with PartnerClient.open(running_vault.caller("partners")) as partner:
        with pytest.raises(PermissionDenied):
            partner.get_contact(customer)
        given = consent(running_vault, customer, "given", "--notice", "2026-11", "--until", "2099-01-01")
        assert (given["event_state"], given["privacy_notice"]) == ("given", "2026-11")
        assert given["valid_until"] == "2099-01-01T00:00:00Z"
        assert (partner.get_contact(customer)).name == "Ada Lovelace"
        assert consent(running_vault, customer, "withdrawn")["record_id"] == given["record_id"]
        with pytest.raises(PermissionDenied):
            partner.get_contact(customer)
    shown = here_json(running_vault, "consent", "show", customer)
    assert [e["event_state"] for e in shown["consents"][0]["events"]] == ["given", "withdrawn"]
    (read,) = shown["reads"]
    assert (read["caller"].rpartition("/")[2], read["purpose"], read["records"]) == ("partners", "partner_offers", 1)
    table = here(running_vault, "consent", "show", customer).stdout
    assert "withdrawn" in table
    assert "partner_offers" in table


def test_an_objection_and_a_restriction_stop_reads_until_they_are_taken_back(running_vault: RunningVault) -> None:
    """Each on its own."""
    customer = create(running_vault, card=False)
    news = ("contact", "show", customer, "--as", "notices", "--purpose", "product_news")
    here(running_vault, *news)
    here(running_vault, "objection", "set", customer, "product_news", "--channel", "telephone")
    here(running_vault, *news, code=1)
    here(running_vault, "contact", "show", customer, "--as", "notices", "--purpose", "service_notices")
    back = here_json(running_vault, "objection", "set", customer, "product_news", "--withdraw", *BY_LETTER)
    assert back["objects"] is False
    here(running_vault, *news)
    when = ("--said-at", "2026-01-02")
    out = here(running_vault, "restriction", "set", customer, "--ground", "legal_claims", *BY_LETTER, *when).stdout
    assert "legal_claims" in out
    here(running_vault, *news, code=1)
    held = here(running_vault, "customer", "erase", customer, "--yes", code=1)
    assert "lift the restriction" in held.stderr
    shown = here(running_vault, "consent", "show", customer).stdout
    assert "restricted: legal_claims" in shown
    assert "objects no more" in shown
    assert here_json(running_vault, "restriction", "lift", customer, *BY_LETTER)["restricted"] is False
    here(running_vault, *news)
    here(running_vault, "restriction", "lift", customer, *BY_LETTER, code=1)


def test_what_contradicts_is_refused(running_vault: RunningVault) -> None:
    """By the command line or by the vault, with what to do."""
    customer = create(running_vault, card=False)
    here(running_vault, "consent", "set", customer, "partner_offers", "maybe", *BY_LETTER, code=2)
    refused = here(running_vault, "consent", "set", customer, "partner_offers", "given", *BY_LETTER, code=1)
    assert "notice_version" in refused.stderr
    assert here(running_vault, "consent", "show", "nobody", code=1).stderr


def test_an_order_takes_two_people_and_opens_at_legals_desk(running_vault: RunningVault) -> None:
    """Asked, approved by alice and bob, read by legal; a hold meanwhile; closed, and nothing is read any more."""
    customer, order_id = create(running_vault, card=False), f"case-{new_id()[:12]}"
    fields = ("--field", "contact.name", "--field", "contact.phone")
    why = ("--ground", "legal_action", "--case", "12 O 34/26", "--days", "366", "--id", order_id)
    asked = here_json(running_vault, "disclosure", "request", customer, *fields, *why)
    assert (asked["state"], asked["order_id"]) == ("requested", order_id)
    here(running_vault, "disclosure", "read", order_id, customer, code=1)
    here(running_vault, "disclosure", "approve", order_id, "--as", "alice")
    here(running_vault, "disclosure", "approve", order_id, "--as", "alice", code=1)
    assert here_json(running_vault, "disclosure", "approve", order_id, "--as", "bob")["state"] == "approved"
    read = here_json(running_vault, "disclosure", "read", order_id, customer)
    assert (read["name"], read["phone"], "email" in read) == ("Ada Lovelace", "+442079460018", False)
    only = here_json(running_vault, "disclosure", "read", order_id, customer, "--field", "phone")
    assert "name" not in only
    held = here(running_vault, "customer", "erase", customer, "--yes", code=1)
    assert order_id in held.stderr
    with LegalClient.open(running_vault.caller("legal")) as legal:
        one, none = legal.batch_get_contacts(order_id, [customer, "nobody"])
        assert isinstance(one, OpenedContact)
        assert isinstance(none, VaultError)
    (listed,) = here_json(running_vault, "disclosure", "list", "--customer", customer)["orders"]
    assert [a["caller"].rpartition("/")[2] for a in listed["approvals"]] == ["alice", "bob"]
    assert order_id in here(running_vault, "disclosure", "list", "--as", "legal").stdout
    counted = here_json(running_vault, "consent", "show", customer)["reads"]
    assert [(c["order_id"], c["records"]) for c in counted] == [(order_id, 3)]
    assert "closed" in here(running_vault, "disclosure", "reject", order_id, "--as", "bob").stdout
    here(running_vault, "disclosure", "read", order_id, customer, code=1)
    here(running_vault, "customer", "erase", customer, "--yes")


def test_bad_words_are_refused_before_they_are_sent(running_vault: RunningVault) -> None:
    """By the SDK, which names the field."""
    soon = datetime.now(UTC)
    with (
        OfficerClient.open(running_vault.caller("officer")) as officer,
        LegalClient.open(running_vault.caller("legal")) as legal,
    ):
        with pytest.raises(InvalidArgument, match="state"):
            officer.set_consent("42", "partner_offers", "maybe", channel="letter")
        with pytest.raises(InvalidArgument, match="channel"):
            officer.set_objection("42", "product_news", objects=True, channel="smoke")
        with pytest.raises(InvalidArgument, match="ground"):
            legal.request_disclosure(["42"], ["contact.name"], ground="why", case_reference="1", expires_at=soon)
