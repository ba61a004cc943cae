"""A row becomes a request in its stored form, or is refused by column and rule, without its value."""

import pytest

from tests.cli.sheets import row
from vault.cli.importer.rows import Accepted, Checker, Refused, column_of
from vault.cli.importer.sheet import Line
from vault.domain.card import Month

TODAY = Month(2026, 6)


def check(**changes: str) -> Accepted | Refused:
    """The first row of a file."""
    return Checker(TODAY).check(Line(2, row(1, **changes)))


def accepted(**changes: str) -> Accepted:
    """The same, and it must be a good one."""
    found = check(**changes)
    assert isinstance(found, Accepted), found
    return found


def test_a_row_comes_out_in_its_stored_form() -> None:
    """E.164, upper-case country, digits only, brand and last four."""
    request = accepted(country_code="de", card_number="5555 5555-5555 4444").request
    assert request.customer_id == "r1"
    assert request.contact.phone == "+49228123456"
    assert request.contact.country_code == "DE"
    (card,) = request.cards
    assert (card.card_number, card.brand, card.last_four) == ("5555555555554444", "mastercard", "4444")


def test_empty_cells_are_left_out() -> None:
    """Real exports lack phones, regions and cards."""
    request = accepted(phone="", region="", card_number="", card_expiry="", card_holder="").request
    assert not request.contact.phone
    assert len(request.cards) == 0


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("customer_id", "", "must be 1 to 64"),
        ("customer_id", "a b", "must be 1 to 64"),
        ("customer_id", "4111111111111111", "must not look like a card number"),
        ("name", "x" * 600, "512"),
        ("name", "my card 4111 1111 1111 1111", "must not look like a card number"),
        ("street", "a\x00b", "must not have control characters"),
        ("country_code", "XC", "must be an ISO 3166-1 alpha-2"),
        ("phone", "12345", "must be an international phone number"),
        ("email", "nobody", "must be an e-mail address"),
        ("card_number", "4111111111111112", "check digit"),
        ("card_number", "", "must be 13 to 19 digits"),
        ("card_expiry", "13/2030", "must be MM/YYYY"),
        ("card_expiry", "05/2026", "must not be in the past"),
        ("card_holder", "4111111111111111", "must not look like a card number"),
    ],
)
def test_a_wrong_cell_is_named_by_its_column_and_rule(column: str, value: str, rule: str) -> None:
    """Whoever has the file finds the value there."""
    found = check(**{column: value})
    assert isinstance(found, Refused)
    assert (found.line, found.field) == (2, column)
    assert rule in found.rule
    assert not value or value not in found.rule


def test_an_id_that_stands_there_twice_is_refused_the_second_time() -> None:
    """And the first line is named, for one of the two is wrong."""
    checker = Checker(TODAY)
    assert isinstance(checker.check(Line(2, row(1))), Accepted)
    found = checker.check(Line(9, row(1, name="Another")))
    assert found == Refused(9, "customer_id", "must not stand in the file twice; see line 2")


def test_a_row_with_another_number_of_cells_is_refused_as_a_row() -> None:
    """Its cells cannot be told apart."""
    assert Checker(TODAY).check(Line(5, None)) == Refused(5, "", "must have as many cells as the header")


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("requests[3].contact.country_code", "country_code"),
        ("cards[0].expiry", "card_expiry"),
        ("card.holder_name", "card_holder"),
        ("customer_id", "customer_id"),
    ],
)
def test_fields_of_requests_are_told_as_columns(field: str, column: str) -> None:
    """Who imports a table knows its columns, not our messages."""
    assert column_of(field) == column
