"""Writing, reading, finding and deleting contacts."""

import asyncio
from typing import Any

import pytest

from tests.vaults import OpenVault, contact, new_request_id
from vault.errors import Conflict, InvalidArgument, NotFound, PermissionDenied
from vault.v1 import contact_service_pb2 as v1
from vault.v1 import records_pb2 as records
from vault.v1 import status_pb2 as status


async def put(vault: OpenVault, *paths: str, etag: str = "", **changes: Any) -> records.Contact:
    """Write fields of the contact as care."""
    request = v1.PutContactRequest(customer_id="42", contact=records.Contact(**changes), etag=etag)
    request.update_mask.paths.extend(paths)
    answer: v1.PutContactResponse = await vault.call("care", "ContactService.PutContact", request)
    return answer.contact


async def find(vault: OpenVault, role: str = "care", **key: Any) -> list[str]:
    """Names of the contacts that a search finds."""
    request = v1.FindContactsRequest(purpose="account_service", **key)
    answer = await vault.call(role, "ContactService.FindContacts", request)
    return [c.record_name for c in answer.contacts]


async def test_a_masked_write_moves_the_other_boxes_over(vault: OpenVault) -> None:
    """Changing the city keeps everything else, and its search tokens."""
    await vault.create()
    before = await vault.get_contact()
    await put(vault, "city", city="Köln")
    after = await vault.get_contact()
    assert (after.city, after.name, after.phone) == ("Köln", before.name, before.phone)
    assert after.create_time == before.create_time
    assert after.etag != before.etag
    assert await find(vault, phone="+49 228 123456") == ["customers/42/contact"]


async def test_a_whole_write_replaces_everything(vault: OpenVault) -> None:
    """Without a mask, fields that are not given are gone, and cannot be searched."""
    await vault.create()
    await put(vault, name="New Name")
    after = await vault.get_contact()
    assert (after.name, after.city, after.phone) == ("New Name", "", "")
    assert await find(vault, phone="+49228123456") == []
    assert await find(vault, name="new  NAME") == ["customers/42/contact"]


async def test_a_named_empty_field_is_removed(vault: OpenVault) -> None:
    """An empty text is an absent value: no box."""
    await vault.create()
    await put(vault, "phone")
    assert (await vault.get_contact()).phone == ""
    assert await find(vault, phone="+49228123456") == []


async def test_many_masked_writes_stay_one_record(vault: OpenVault) -> None:
    """However often single fields change, each stands in one box."""
    await vault.create()
    for at in range(5):
        await put(vault, "city", city=f"City {at}")
        await put(vault, "street", street=f"Street {at}")
    after = await vault.get_contact()
    assert (after.city, after.street, after.name) == ("City 4", "Street 4", "Ann Example")


async def test_a_stale_etag_is_refused(vault: OpenVault) -> None:
    """The second writer with the same etag loses, and its write leaves nothing."""
    await vault.create()
    etag = (await vault.get_contact()).etag
    await put(vault, "city", etag=etag, city="First")
    with pytest.raises(Conflict):
        await put(vault, "city", etag=etag, city="Second")
    assert (await vault.get_contact()).city == "First"


async def test_writers_without_etag_all_succeed(vault: OpenVault) -> None:
    """Two at once: the loser of the race takes a new attempt with new keys."""
    await vault.create()
    await asyncio.gather(put(vault, "city", city="A"), put(vault, "street", street="B"))
    after = await vault.get_contact()
    assert (after.city, after.street) == ("A", "B")


async def test_a_field_outside_of_the_mask_is_refused(vault: OpenVault) -> None:
    """A value that would be dropped silently is an error."""
    await vault.create()
    with pytest.raises(InvalidArgument, match=r"contact\.city"):
        await put(vault, "name", name="A", city="B")


async def test_a_read_mask_gives_no_more(vault: OpenVault) -> None:
    """Only what was asked for leaves."""
    await vault.create()
    got = await vault.get_contact(read_mask={"paths": ["city"]})
    assert (got.city, got.name, got.phone) == ("Bonn", "", "")


async def test_a_mask_with_a_field_of_another_purpose_is_refused_whole(vault: OpenVault) -> None:
    """Billing may not read a phone, not even beside a name."""
    await vault.create()
    with pytest.raises(PermissionDenied) as refused:
        await vault.get_contact("billing", read_mask={"paths": ["name", "phone"]})
    assert (refused.value.field, refused.value.purpose) == ("contact.phone", "payment_processing")
    assert refused.value.clause


async def test_billing_gets_envelopes_without_phone(vault: OpenVault) -> None:
    """Address verification: boxes that billing opens itself, and none for a field it may not read."""
    await vault.create()
    got = await vault.get_contact("billing")
    assert not got.name
    assert {box.field for envelope in got.sealed for box in envelope.boxes} == {2, 4, 7}


async def test_a_batch_keeps_order_and_reports_misses(vault: OpenVault) -> None:
    """One entry for the whole call."""
    for customer in ("a", "b"):
        await vault.create(customer)
    before = len(await vault.entries())
    request = v1.BatchGetContactsRequest(customer_ids=["b", "nobody", "a", "b"], purpose="service_provisioning")
    answer = await vault.call("provisioning", "ContactService.BatchGetContacts", request)
    names = [r.contact.record_name or r.error.reason for r in answer.results]
    expected = [
        "customers/b/contact",
        status.REASON_CUSTOMER_NOT_AVAILABLE,
        "customers/a/contact",
        "customers/b/contact",
    ]
    assert names == expected
    assert len(await vault.entries()) == before + 1


async def test_partners_cannot_tell_unknown_from_without_consent(vault: OpenVault) -> None:
    """One kind, one reason, one text."""
    await vault.create()
    answers = []
    for customer in ("42", "nobody"):
        request = v1.GetContactRequest(customer_id=customer, purpose="partner_offers")
        error = await vault.refusal("partners", "ContactService.GetContact", request)
        answers.append((type(error), str(error), error.reason))
    assert answers[0] == answers[1]
    assert answers[0][0] is PermissionDenied


async def test_a_search_needs_the_right_to_read_what_it_searches_by(vault: OpenVault) -> None:
    """Else a search would be a way to ask for a hidden field."""
    await vault.create()
    request = v1.FindContactsRequest(phone="+49228123456", purpose="payment_processing")
    assert isinstance(await vault.refusal("billing", "ContactService.FindContacts", request), PermissionDenied)


async def test_a_search_pages(vault: OpenVault) -> None:
    """Three customers with one phone, two at a time."""
    for customer in ("a", "b", "c"):
        await vault.create(customer)
    found, token = [], ""
    while True:
        request = v1.FindContactsRequest(
            email="ANN@example.org", purpose="account_service", page_size=2, page_token=token
        )
        answer = await vault.call("care", "ContactService.FindContacts", request)
        found.append([c.record_name for c in answer.contacts])
        token = answer.next_page_token
        if not token:
            break
    assert found == [["customers/a/contact", "customers/b/contact"], ["customers/c/contact"]]


async def test_a_deleted_contact_is_gone(vault: OpenVault) -> None:
    """Not found, not searchable, and its key is destroyed; the customer stays."""
    await vault.create()
    request = v1.DeleteContactRequest(customer_id="42", request_id=new_request_id())
    await vault.call("care", "ContactService.DeleteContact", request)
    await vault.call("care", "ContactService.DeleteContact", request)
    with pytest.raises(NotFound):
        await vault.get_contact()
    assert await find(vault, phone="+49228123456") == []
    await put(vault, name="Back Again")
    assert (await vault.get_contact()).name == "Back Again"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "4111 1111 1111 1111"),
        ("street", "PAN 4111-1111-1111-1111 in a street"),
        ("postal_code", "4111111111111111"),
        ("country_code", "XC"),
        ("country_code", "Germany"),
        ("phone", "12345"),
        ("phone", "+1 2"),
        ("email", "nobody"),
        ("email", "4111111111111111@example.org"),
        ("name", "\x00"),
        ("city", "   "),
    ],
)
async def test_bad_fields_are_refused_by_name_without_value(vault: OpenVault, field: str, value: str) -> None:
    """The error names the field and never its value; nothing is stored."""
    request = v1.PutContactRequest(customer_id="42", contact=contact(**{field: value}))
    await vault.create()
    error = await vault.refusal("care", "ContactService.PutContact", request)
    assert isinstance(error, InvalidArgument)
    assert error.field == f"contact.{field}"
    assert value.strip() == "" or value not in str(error)
    assert (await vault.get_contact()).name == "Ann Example"
