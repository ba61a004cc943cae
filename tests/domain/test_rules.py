"""What contacts and cards must be, and their stored forms."""

import pytest

from vault.domain import card as card_rules
from vault.domain import contact as contact_rules
from vault.domain.card import Month
from vault.domain.fields import ALL_FIELDS, Plaintext, protected_fields
from vault.errors import InvalidArgument
from vault.v1 import records_pb2 as records

TODAY = Month(2026, 11)


def test_a_contact_is_brought_into_its_stored_form() -> None:
    """E.164, upper case country, normal domain; what is left out stays out."""
    contact = records.Contact(country_code="de", phone="+49 (228) 12-34 56", email="Ann@EXAMPLE.org")
    contact_rules.normalize(contact)
    assert (contact.country_code, contact.phone, contact.email) == ("DE", "+49228123456", "Ann@example.org")
    empty = records.Contact()
    contact_rules.normalize(empty)
    assert empty == records.Contact()


@pytest.mark.parametrize("phone", ["+4915112345671", "+8613800138000"])
def test_a_long_phone_number_is_no_card_number(phone: str) -> None:
    """Thirteen digits that would pass for an old card number are a phone where a phone is asked for."""
    assert contact_rules.phone(phone) == phone


@pytest.mark.parametrize("code", ["XC", "D", "DEU", "ß", "", "d1"])
def test_other_codes_are_no_countries(code: str) -> None:
    """ISO 3166-1 alpha-2; sharp s is not SS in disguise."""
    with pytest.raises(InvalidArgument, match="country_code"):
        contact_rules.country(code)


@pytest.mark.parametrize(
    "phone", ["4111111111111111", "+4111111111111111", "+371449635398431", "abc", "+1 506 234 5678 ext. 9"]
)
def test_card_numbers_are_no_phones(phone: str) -> None:
    """E.164 has no room for them."""
    with pytest.raises(InvalidArgument, match="phone"):
        contact_rules.phone(phone)


def test_search_forms() -> None:
    """Names fold case, width and space; e-mail is lower case; phones are E.164."""
    assert contact_rules.lookup_form("name", " \uff21\uff2e\uff2e  Straße ") == "ann strasse"
    assert contact_rules.lookup_form("email", "Ann@EXAMPLE.org") == "ann@example.org"
    assert contact_rules.lookup_form("phone", "+49 228 123456") == "+49228123456"


def test_a_card_gets_brand_and_last_four() -> None:
    """Derived, so they cannot be wrong."""
    card = records.Card(card_number="5555 5555-5555 4444", expiry="11/2026", holder_name="  Ann   Example ")
    card_rules.normalize(card, TODAY)
    assert (card.card_number, card.brand, card.last_four) == ("5555555555554444", "mastercard", "4444")
    assert card.holder_name == "Ann Example"


@pytest.mark.parametrize(
    "expiry", ["10/2026", "00/2027", "13/2027", "2027-01", "1/2027", "01/27", "12/2057", "", "01/2027\n"]
)
def test_other_expiries_are_refused(expiry: str) -> None:
    """MM/YYYY, this month to 30 years ahead."""
    with pytest.raises(InvalidArgument, match=r"card\.expiry"):
        card_rules.check_expiry(expiry, TODAY)


def test_a_reader_checks_what_it_opened() -> None:
    """Number, brand and last four belong together; what was not opened is not looked at."""
    good = records.Card(card_number="4111111111111111", brand="visa", last_four="1111")
    card_rules.check_opened(good)
    card_rules.check_opened(records.Card(brand="visa"))
    for change in (
        {"card_number": "4111111111111112"},
        {"card_number": "4111 1111"},
        {"last_four": "2222"},
        {"brand": "amex"},
    ):
        bad = records.Card()
        bad.CopyFrom(good)
        for name, value in change.items():
            setattr(bad, name, value)
        with pytest.raises(InvalidArgument):
            card_rules.check_opened(bad)


def test_the_protected_fields_are_those_of_the_design() -> None:
    """Their numbers and names are normative."""
    contact = {f.name: f.number for f in protected_fields(records.Contact).values()}
    names = ["name", "street", "city", "region", "postal_code", "country_code", "phone", "email"]
    assert contact == dict(zip(names, range(2, 10), strict=True))
    card = {f.name: f.number for f in protected_fields(records.Card).values()}
    assert card == {"card_number": 2, "expiry": 3, "holder_name": 4, "brand": 5, "last_four": 6}
    assert ALL_FIELDS["mail.body"].number == 9
    assert ALL_FIELDS["mail.body"].plaintext is Plaintext.BYTES
    assert ALL_FIELDS["account.services"].plaintext is Plaintext.MESSAGE
