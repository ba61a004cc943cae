"""A customer is given all that the vault holds, and who read it; what only a caller can open stays closed."""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from tests.abuse.facts import consent
from tests.disclosing import approved
from tests.schemas import conforms
from tests.vaults import CARD_NUMBER, OpenVault
from vault.audit.entry import describe
from vault.domain.names import RecordName
from vault.errors import DataLoss, NotFound, PermissionDenied
from vault.service.accounting import ground_of
from vault.service.opening import Opening
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as v1
from vault.v1 import records_pb2 as records
from vault.v1.envelope_pb2 import Envelope

METHOD = "CustomerService.ExportCustomer"


async def exported(vault: OpenVault, customer: str = "42") -> Any:
    """The document."""
    pieces = await vault.call("officer", METHOD, v1.ExportCustomerRequest(customer_id=customer))
    document = json.loads("".join(piece.json for piece in pieces))
    conforms(document, "export-1")
    return document


async def test_the_vault_gives_what_it_can_open(vault: OpenVault) -> None:
    """Every value of the contact, by the policy's names."""
    await vault.create()
    document = await exported(vault)
    (found,) = [each for each in document["records"] if each["record"] == "contact"]
    assert found["values"]["contact.name"] == "Ann Example"
    assert found["values"]["contact.phone"] == "+49228123456"
    assert found["sealed"] == []
    assert document["customer"]["customer_id"] == "42"


async def test_a_card_leaves_as_its_envelope_with_a_note_who_can_open_it(vault: OpenVault) -> None:
    """The right to a copy is no way around the card's lock; billing opens for the customer what the vault cannot."""
    created = await vault.create()
    document = await exported(vault)
    (found,) = [each for each in document["records"] if each["record"].startswith("cards/")]
    assert found["values"] == {}
    (sealed,) = found["sealed"]
    assert "payment.card_number" in sealed["fields"]
    assert (sealed["purposes"], sealed["opened_by"]) == (["payment_processing"], ["billing"])
    assert sealed["note"].startswith("Only billing can open this")
    card = await vault.get_card(created.record_names[1])
    assert Envelope.FromString(b64decode(sealed["envelope"])) == card.sealed[0]
    assert CARD_NUMBER not in json.dumps(document)


async def test_the_history_says_who_read_what_when_for_which_purpose(vault: OpenVault) -> None:
    """Of this customer only, from the log by its pseudonym."""
    await vault.create()
    await vault.create("other")
    await vault.get_contact()
    await vault.get_contact("billing")
    await vault.get_contact("care", customer_id="other")
    reads = [each for each in (await exported(vault))["history"] if each["what"] == "read" and each["purpose"]]
    assert [(each["caller"].rpartition("/")[2], each["purpose"], each["records"]) for each in reads] == [
        ("provisioning", "service_provisioning", ["contact"]),
        ("billing", "payment_processing", ["contact"]),
    ]
    assert "contact.phone" in reads[0]["fields"]
    assert "contact.phone" not in reads[1]["fields"]


async def test_a_correction_keeps_that_and_not_what_changed(vault: OpenVault) -> None:
    """Who changed which field, when; neither the old value nor the new one."""
    await vault.create()
    request = contacts.PutContactRequest(customer_id="42", contact=records.Contact(city="Ulm"))
    request.update_mask.paths.append("city")
    await vault.call("care", "ContactService.PutContact", request)
    document = await exported(vault)
    (change,) = [each for each in document["history"] if each["action"] == "ContactService.PutContact"]
    assert (change["what"], change["fields"], change["records"]) == ("change", ["contact.city"], ["contact"])
    assert "Bonn" not in json.dumps(document)
    assert "Ulm" not in json.dumps(document["history"])


async def test_an_export_does_not_end_well_if_the_customer_is_erased_meanwhile(vault: OpenVault) -> None:
    """A document without records would say, and be believed, that there were none."""
    await vault.create()
    async with aclosing(vault.watch("officer", METHOD, v1.ExportCustomerRequest(customer_id="42"))) as pieces:
        text = (await anext(pieces)).json
        await vault.call("officer", "CustomerService.EraseCustomer", v1.EraseCustomerRequest(customer_id="42"))
        with pytest.raises(NotFound):
            text += "".join([piece.json async for piece in pieces])
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


async def test_an_export_is_in_the_log_before_it_leaves(vault: OpenVault) -> None:
    """Every record that is in it is in an entry, with the fields that left; one entry for a page of them."""
    await vault.create()
    before = len(await vault.entries())
    await exported(vault)
    entries: list[Any] = [describe(each) for each in (await vault.entries())[before:]]
    assert {each["action"] for each in entries} == {METHOD}
    head, page = entries
    assert [record["record"] for record in head["records"]] == [""]
    assert sorted(record["record"].partition("/")[0] for record in page["records"]) == ["cards", "contact"]
    assert {"contact.name", "payment.card_number"} <= set(page["fields"])


async def test_many_records_are_exported_in_pages(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, whatever the size of a page."""
    monkeypatch.setattr("vault.service.exporting._PAGE", 1)
    monkeypatch.setattr("vault.service.exporting._LINES", 2)
    created = await vault.create()
    for _ in range(5):
        await vault.get_contact()
    document = await exported(vault)
    assert [each["record"] for each in document["records"]] == sorted(
        name.split("/", 2)[2] for name in created.record_names
    )
    assert len([each for each in document["history"] if each["purpose"]]) == 5


async def test_a_damaged_record_is_named_and_the_rest_is_given(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A customer is not refused everything because of one row."""
    await vault.create()
    real = vault.parts.records.open

    async def damaged(names: Sequence[RecordName], now: int) -> Mapping[RecordName, Opening]:
        found = dict(await real(names, now))
        return {n: DataLoss("does not open") if n.endswith("/contact") else each for n, each in found.items()}

    monkeypatch.setattr(vault.parts.records, "open", damaged)
    found = {each["record"].partition("/")[0]: each for each in (await exported(vault))["records"]}
    assert "lost" in found["contact"]
    assert found["cards"]["sealed"]


async def test_nobody_but_the_officer_exports_and_nobody_unknown_is_exported(vault: OpenVault) -> None:
    """Both are in the log."""
    await vault.create()
    request = v1.ExportCustomerRequest(customer_id="42")
    for role in ("care", "billing", "auditor", "operator", "partners"):
        assert isinstance(await vault.refusal(role, METHOD, request), PermissionDenied)
    unknown = await vault.refusal("officer", METHOD, v1.ExportCustomerRequest(customer_id="nobody"))
    assert isinstance(unknown, NotFound)
    assert [describe(each)["outcome"] for each in (await vault.entries())[-6:]] == ["DENIED"] * 6


async def test_disclosures_are_told_by_recipient_and_ground(vault: OpenVault) -> None:
    """Partners by the customer's consent, legal by its order; the company's own reads are none, nor is the export."""
    await vault.create()
    await consent(vault, "42", "partner_offers")
    for _ in range(2):
        await vault.get_contact("partners", purpose="partner_offers")
    order = await approved(vault)
    request = contacts.GetContactRequest(customer_id="42", purpose="legal_disclosure", order_id=order.order_id)
    request.read_mask.paths.append("name")
    await vault.call("legal", "ContactService.GetContact", request)
    await vault.get_contact()
    await exported(vault)
    legal, partners = (await exported(vault))["disclosures"]
    assert (partners["recipient"], partners["roles"]) == ("spiffe://vault.example/partners", ["partners"])
    assert (partners["ground"], partners["purpose"], partners["order"]) == ("consent", "partner_offers", "")
    assert (partners["records"], "contact.phone" in partners["fields"]) == (2, True)
    assert (legal["ground"], legal["order"], legal["fields"]) == ("order", order.order_id, ["contact.name"])
    assert legal["first"] == legal["last"]


async def test_nobody_is_told_as_nobody(vault: OpenVault) -> None:
    """The list is there and empty; a refusal is no disclosure."""
    await vault.create()
    refused = contacts.GetContactRequest(customer_id="42", purpose="partner_offers")
    await vault.refusal("partners", "ContactService.GetContact", refused)
    assert (await exported(vault))["disclosures"] == []


async def test_a_purpose_that_the_policy_has_no_more_is_told(vault: OpenVault) -> None:
    """Whether such a read left the company nobody can say."""
    policy = vault.parts.policy
    assert ground_of(policy, v1.ReadCount(purpose="resold_in_2019")) == "unknown"
    assert ground_of(policy, v1.ReadCount(purpose="service_provisioning")) == ""
    assert ground_of(policy, v1.ReadCount(purpose="service_provisioning", order_id="o")) == "order"
    assert ground_of(policy, v1.ReadCount()) == ""
