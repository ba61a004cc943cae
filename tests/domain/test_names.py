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


VISITOR = "0123456789abcdef0123456789abcdef"


def test_visitors_are_random_cookie_ids() -> None:
    """Thirty-two hex digits: a customer id, a name or an address cannot be one."""
    assert names.visitor_id(VISITOR) == VISITOR
    for text in ("", "42", VISITOR.upper(), VISITOR[:-1], f"{VISITOR}0", f"{VISITOR[:-1]}\n", "4111111111111111" * 2):
        with pytest.raises(InvalidArgument, match="visitor_id"):
            names.visitor_id(text)


@pytest.mark.parametrize("text", ["example.org", "a.b", "xn--bcher-kva.example", "mail.1x.example", "x" * 63 + ".org"])
def test_domains(text: str) -> None:
    """Lower-case A-labels."""
    assert names.domain(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "org",
        "Example.org",
        "bücher.example",
        "a..b",
        ".a.b",
        "a.b.",
        "-a.b",
        "a-.b",
        "a_b.example",
        "10.0.0.1",
        "x" * 64 + ".org",
        "a." * 126 + "org",
        "a.b\n",
        "4111111111111111.example",
    ],
)
def test_other_texts_are_no_domains(text: str) -> None:
    """Neither addresses of machines nor what looks like a card number."""
    with pytest.raises(InvalidArgument, match="domain"):
        names.domain(text)


@pytest.mark.parametrize("text", ["1970-01", "2026-11", "2026-12"])
def test_months(text: str) -> None:
    """Of a log."""
    assert names.month(text) == text


@pytest.mark.parametrize("text", ["", "2026-1", "2026-00", "2026-13", "1969-12", "26-11", "2026-11-01", "2026-11\n"])
def test_other_texts_are_no_months(text: str) -> None:
    """One spelling."""
    with pytest.raises(InvalidArgument, match="month"):
        names.month(text)


BUILT = {
    "customers/42/contact": names.contact_name(names.CustomerId("42")),
    "customers/42/account": names.account_name(names.CustomerId("42")),
    "customers/42/cards/7f3a": names.card_name(names.CustomerId("42"), "7f3a"),
    "customers/42/logs/2026-11": names.log_name(names.CustomerId("42"), "2026-11"),
    "customers/42/orders/7f3a": names.order_name(names.CustomerId("42"), "7f3a"),
    "customers/42/messages/m1": names.message_name(names.Owner("customers/42"), "m1"),
    "domains/example.org/messages/m1": names.message_name(names.owner_of_domain(names.Domain("example.org")), "m1"),
    f"visitors/{VISITOR}/form": names.form_name(names.VisitorId(VISITOR)),
    f"visitors/{VISITOR}/preferences": names.preferences_name(names.VisitorId(VISITOR)),
}


@pytest.mark.parametrize("text", BUILT)
def test_every_name_that_can_be_built_is_a_name(text: str) -> None:
    """The list of section 4, and its owners."""
    assert BUILT[text] == text == names.parse_name(text)
    owner = names.owner_of(BUILT[text])
    assert names.parse_owner(owner) == owner
    assert owner.startswith(names.owner_kind(owner))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "customers",
        "customers/42",
        "customers//contact",
        "customers/42/",
        "customers/42/contact/",
        "customers/42/contact/a",
        "customers/42/cards",
        "customers/42/cards/",
        "customers/42/logs/2026-13",
        "customers/42/form",
        "customers/4111111111111111/contact",
        "customers/42/messages/m/1",
        f"visitors/{VISITOR}/contact",
        f"visitors/{VISITOR}",
        "visitors/42/form",
        "domains/org/messages/m1",
        "domains/example.org/contact",
        "partners/42/contact",
        " customers/42/contact",
    ],
)
def test_other_texts_are_no_names(text: str) -> None:
    """Of any record."""
    with pytest.raises(InvalidArgument, match="record_name"):
        names.parse_name(text)


def test_a_name_can_be_asked_to_be_of_one_kind() -> None:
    """The error says which form it should have."""
    assert names.parse_message_name("domains/example.org/messages/m1") == (
        "domains/example.org",
        "domains/example.org/messages/m1",
    )
    assert names.parse_order_name("customers/42/orders/o1") == ("42", "customers/42/orders/o1")
    with pytest.raises(InvalidArgument, match=r"customers/\{id\}/orders/\{id\}"):
        names.parse_order_name("customers/42/cards/7f3a")
    with pytest.raises(InvalidArgument, match=r"visitors/\{id\}/form"):
        names.parse_name("customers/42", collection="form")


@pytest.mark.parametrize("text", ["", "42", "customers", "customers/", "customers/a/b", "owners/42", "visitors/42"])
def test_other_texts_are_no_owners(text: str) -> None:
    """A customer, a visitor or a domain."""
    with pytest.raises(InvalidArgument, match="owner"):
        names.parse_owner(text)
