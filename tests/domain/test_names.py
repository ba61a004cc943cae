"""Record names and ids have one spelling."""

import pytest

from vault.domain import audience, names
from vault.errors import InvalidArgument


@pytest.mark.parametrize("text", ["42", "a", "A_b-C", "x" * 64])
def test_customer_ids(text: str) -> None:
    """1 to 64 of A-Za-z0-9_-."""
    assert names.customer_id(text) == text


@pytest.mark.parametrize(
    "text", ["", "x" * 65, "a b", "a/b", "ä", "a\n", "4111111111111111", "x-4111-1111-1111-1111", "٤٢"]
)
def test_other_texts_are_no_customer_ids(text: str) -> None:
    """Also what looks like a card number; the value is not echoed."""
    with pytest.raises(InvalidArgument, match="customer_id") as refused:
        names.customer_id(text)
    assert not text.strip() or text not in str(refused.value)


@pytest.mark.parametrize("text", ["a", "7f3a", "a-b", "x" * 63])
def test_record_ids(text: str) -> None:
    """Lower case, digits and inner dashes."""
    assert names.record_id(text, "card_id") == text


@pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a_b", "x" * 64, "a\n", "4111111111111111"])
def test_other_texts_are_no_record_ids(text: str) -> None:
    """By the field's name."""
    with pytest.raises(InvalidArgument, match="card_id"):
        names.record_id(text, "card_id")


def test_names_are_built_and_taken_apart() -> None:
    """The owner is the first two segments, the log shows the rest."""
    customer, name = names.parse_card_name("customers/42/cards/7f3a")
    assert (customer, name) == ("42", names.card_name(names.CustomerId("42"), "7f3a"))
    assert names.owner_of(name) == names.owner_of_customer(customer) == "customers/42"
    assert names.customer_of(names.owner_of(name)) == "42"
    assert names.under_owner(name) == "cards/7f3a"
    assert names.under_owner(names.customer_name(customer)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "customers/42",
        "customers/42/cards/",
        "customers//cards/a",
        "customers/42/cards/a/b",
        "x/customers/42/cards/a",
        "customers/42/cards/A",
    ],
)
def test_other_texts_are_no_card_names(text: str) -> None:
    """A name has exactly its form."""
    with pytest.raises(InvalidArgument):
        names.parse_card_name(text)


def test_new_ids_are_random_and_well_formed() -> None:
    """Thirty-two hex digits."""
    made = {names.new_id() for _ in range(100)}
    assert len(made) == 100
    assert all(names.record_id(text, "id") == text and len(text) == 32 for text in made)


def test_an_audience_has_one_spelling() -> None:
    """Distinct, sorted, joined by +."""
    assert audience.audience_of(["b", "a", "b"]) == "a+b"
    assert audience.members("a+b") == ("a", "b")
    for text in ("", "b+a", "a+a", "a+", "+a", "A", "a+b ", "a b"):
        with pytest.raises(InvalidArgument):
            audience.members(text)


def test_purposes_have_a_form() -> None:
    """[a-z][a-z0-9_]{0,62}."""
    assert audience.purpose("payment_processing") == "payment_processing"
    for text in ("", "1a", "A", "a-b", "a" * 64):
        with pytest.raises(InvalidArgument):
            audience.purpose(text)
