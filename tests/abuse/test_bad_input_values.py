"""Contacts and cards with one wrong value, and messages with fields that the API does not have.

Those marked as expected failures are gaps that were found; the mark is strict, so closing one asks for its removal.
"""

import pytest
from google.protobuf.message import Message

from tests.abuse.refusals import LONG, PAN, kept, refused
from tests.vaults import OpenVault, card, contact
from vault.errors import InvalidArgument
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import records_pb2 as records

in_session = pytest.mark.asyncio(loop_scope="session")

TEXTS = ("name", "street", "city", "region", "postal_code")
BAD_TEXTS = {
    "a NUL": "Sensible\0Value",
    "a line break": "Sensible\nValue",
    "an escape": "Sensible\x1b[31mValue",
    "a C1 control": "Sensible\x85Value",
    "blank": "   \u00a0   ",
    "a megabyte": LONG,
    "a card number": PAN,
    "a card number in a sentence": f"my card is {PAN}, thanks",
    "a card number with spaces": "4242 4242 4242 4242",
    "a card number with no-break spaces": "4242\u00a04242\u00a04242\u00a04242",
    "a card number with dots": "4242.4242.4242.4242",
    "a card number with en dashes": "4242\u20134242\u20134242\u20134242",
    "a card number in full-width digits": "".join(chr(ord(d) + 0xFEE0) for d in PAN),
    "a card number in Arabic digits": "".join(chr(0x660 + int(d)) for d in PAN),
    "a card number among more digits": f"99{PAN}77",
}
ODD_SEPARATORS = ["   ", "\u200b", "\u00ad", "\u3000", "\u2212", "\u00b7", ",", ":", "|"]


@in_session
@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("bad", BAD_TEXTS)
async def test_a_contacts_text_is_text_and_no_card_number(shared: OpenVault, field: str, bad: str) -> None:
    """Created or changed."""
    spoilt = contact(**{field: BAD_TEXTS[bad]})
    create = customers.CreateCustomerRequest(contact=spoilt)
    await refused(shared, "storefront", "CustomerService.CreateCustomer", create, InvalidArgument)
    put = contacts.PutContactRequest(customer_id="42", contact=spoilt)
    error = await refused(shared, "care", "ContactService.PutContact", put, InvalidArgument)
    assert isinstance(error, InvalidArgument)
    assert error.field == f"contact.{field}"


@in_session
@pytest.mark.parametrize("separator", ODD_SEPARATORS)
async def test_a_card_number_is_seen_whatever_stands_between_its_digits(shared: OpenVault, separator: str) -> None:
    """Who pastes a number from a page pastes what the page has between the groups."""
    spoilt = contact(name=separator.join(PAN[i : i + 4] for i in range(0, 16, 4)))
    create = customers.CreateCustomerRequest(contact=spoilt)
    await refused(shared, "storefront", "CustomerService.CreateCustomer", create, InvalidArgument)


BAD_CONTACTS = {
    "phone": [
        "telephone",
        "1234567",
        "+1",
        "+1 506 234 5678 ext. 9",
        PAN,
        f"+{PAN}",
        "+999 1234567890",
        LONG,
    ],
    "email": ["nobody.example.org", "nobody@", "@example.org", "no body@example.org", f"{PAN}@example.org", LONG],
    "country_code": ["XC", "ZZ", "d", "1A", "\0D", "D\n", "DEU", "Germany"],
    "record_name": ["customers/43/contact", "customers/42", "customers/42/contact/", PAN],
}


@in_session
@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD_CONTACTS.items() for v in values])
async def test_a_contacts_other_fields_have_their_forms(shared: OpenVault, field: str, value: str) -> None:
    """E.164, an address, ISO 3166, and the one name."""
    put = contacts.PutContactRequest(customer_id="42", contact=contact(**{field: value}))
    await refused(shared, "care", "ContactService.PutContact", put, InvalidArgument)


@in_session
async def test_a_country_is_two_ascii_letters(shared: OpenVault) -> None:
    """Two bytes of UTF-8 are not two letters."""
    put = contacts.PutContactRequest(customer_id="42", contact=contact(country_code="\u00df"))
    await refused(shared, "care", "ContactService.PutContact", put, InvalidArgument)


BAD_CARDS = {
    "card_number": [
        "",
        "4242424242424241",
        "424242424242",
        PAN + "0000",
        "4242x4242x4242x4242",
        "9999999999999995",
        LONG,
    ],
    "expiry": [
        "",
        "12/30",
        "13/2040",
        "00/2040",
        "01/2020",
        "12/2999",
        "2040-12",
        "12/2040\n",
        "\u0661\u0662/2040",
        LONG,
    ],
    "holder_name": [PAN, f"Ann {PAN}", LONG],
    "brand": ["mastercard", "Visa", "sensible", LONG],
    "last_four": ["0000", "42", LONG],
    "record_name": ["customers/43/cards/one", "customers/42", "nothing-like-it", f"customers/42/cards/{PAN}"],
}


@in_session
@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD_CARDS.items() for v in values])
async def test_a_card_in_plain_is_checked(shared: OpenVault, field: str, value: str) -> None:
    """Luhn, network, expiry, and what is derived."""
    request = payments.AddCardRequest(customer_id="42", card=card(card_number=PAN))
    setattr(request.card, field, value)
    await refused(shared, "storefront", "PaymentService.AddCard", request, InvalidArgument)


@in_session
async def test_a_holders_name_is_text(shared: OpenVault) -> None:
    """What a contact's name must not hold, a card's holder must not either."""
    request = payments.AddCardRequest(customer_id="42", card=card(holder_name="Sensible\0\x1b[31mValue"))
    await refused(shared, "storefront", "PaymentService.AddCard", request, InvalidArgument)


def unknown_field(text: bytes) -> bytes:
    """Field 2000, length-delimited, that no message of the API has."""
    return b"\x82\x7d" + bytes([len(text)]) + text


@pytest.mark.parametrize("place", ["request", "contact", "card"])
async def test_a_field_that_the_api_does_not_have_is_not_kept(vault: OpenVault, place: str) -> None:
    """A security code, say, by a client with a .proto of its own."""
    code = b"security-code-737"
    request = customers.CreateCustomerRequest(customer_id="42", contact=contact(), cards=[card()])
    parts: dict[str, Message] = {"request": request, "contact": request.contact, "card": request.cards[0]}
    parts[place].MergeFromString(unknown_field(code))
    assert code in request.SerializeToString()
    response = await vault.call("storefront", "CustomerService.CreateCustomer", request)
    assert code not in response.SerializeToString()
    read = await vault.get_card(response.record_names[1])
    assert code not in read.SerializeToString()
    assert not await kept(vault, code)


async def test_a_message_says_nothing_of_a_records_server_side_fields(vault: OpenVault) -> None:
    """Names, times and etags that a client sends are the server's to set."""
    forged = contact(etag="f" * 32)
    forged.create_time.seconds = 1
    forged.update_time.seconds = 253402300799
    await vault.create(contact=forged)
    found: records.Contact = await vault.get_contact()
    assert found.etag != "f" * 32
    assert found.create_time.seconds > 1_000_000_000
    assert found.update_time.seconds < 253402300799
