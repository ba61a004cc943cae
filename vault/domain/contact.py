"""What a contact must be, its stored form, and the normal forms under which it is searched.

A field that is left out is fine: real exports lack phones and regions. What is given must be right. Phones are refused
only when they are not *possible* (numbering plans change faster than libraries); countries follow ISO 3166-1.
"""

import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from iso3166 import countries_by_alpha2

from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument
from vault.v1.records_pb2 import Contact

SEARCHABLE = ("name", "phone", "email")
_TEXTS = ("name", "street", "city", "region", "postal_code")


def normalize(contact: Contact, prefix: str = "contact") -> None:
    """Check the plain fields of a contact and bring them into their stored form, in place.

    Raises:
        InvalidArgument: a field breaks its rule; the value is not echoed.
    """
    for name in _TEXTS:
        _check_text(getattr(contact, name), f"{prefix}.{name}")
    if contact.country_code:
        contact.country_code = country(contact.country_code, f"{prefix}.country_code")
    if contact.phone:
        contact.phone = phone(contact.phone, f"{prefix}.phone")
    if contact.email:
        contact.email = email(contact.email, f"{prefix}.email")


def _check_text(text: str, field: str) -> None:
    if is_pan_like(text):
        raise InvalidArgument(field, "must not look like a card number")
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise InvalidArgument(field, "must not have control characters")
    if text and not text.strip():
        raise InvalidArgument(field, "must not be blank")


def country(text: str, field: str = "country_code") -> str:
    """ISO 3166-1 alpha-2, upper case.

    Raises:
        InvalidArgument: the code is not assigned.
    """
    code = text.upper()
    if not text.isascii() or code not in countries_by_alpha2:
        raise InvalidArgument(field, "must be an ISO 3166-1 alpha-2 country code")
    return code


def phone(text: str, field: str = "phone") -> str:
    """E.164.

    A number that its country's plan makes valid is a phone, even if its digits would pass for an old card number; one
    that is merely possible and looks like a card number is refused.

    Raises:
        InvalidArgument: it is not an international number that is possible.
    """
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise InvalidArgument(field, "must be an international phone number, such as +1 506 234 5678") from None
    if not phonenumbers.is_possible_number(number):
        raise InvalidArgument(field, "must be a possible phone number")
    if is_pan_like(text) and not phonenumbers.is_valid_number(number):
        raise InvalidArgument(field, "must not look like a card number")
    if number.extension:
        raise InvalidArgument(field, "must not have an extension")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(text: str, field: str = "email") -> str:
    """The address with its domain in normal form; the local part as written.

    Raises:
        InvalidArgument: it is no e-mail address.
    """
    if is_pan_like(text):
        raise InvalidArgument(field, "must not look like a card number")
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise InvalidArgument(field, "must be an e-mail address") from None


def lookup_form(field: str, value: str) -> str:
    """The normal form under which `phone`, `email` or `name` is searched (section 4, lookup tokens).

    Raises:
        InvalidArgument: the value has no normal form.
    """
    if field == "phone":
        return phone(value, field)
    return lookup_form_of_stored(field, email(value, field) if field == "email" else value)


def lookup_form_of_stored(field: str, value: str) -> str:
    """The same of a value in its stored form (`normalize`), which is not checked a second time."""
    if field == "phone":
        return value
    if field == "email":
        return value.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold())
    return " ".join(folded.split())
