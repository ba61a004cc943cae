"""A preference says what somebody likes, and never who that is."""

import pytest

from vault.domain.preferences import MOST, check
from vault.errors import InvalidArgument


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"theme": "dark", "font-size": "12px", "shop.sort": "price", "greeting": "grüß dich", "empty": ""},
        {f"p{at}": "x" * 256 for at in range(MOST)},
    ],
)
def test_preferences(values: dict[str, str]) -> None:
    """Few and short."""
    check(values)


BAD = {
    "too many": {f"p{at}": "x" for at in range(MOST + 1)},
    "a name in capitals": {"Theme": "dark"},
    "a name with a space": {"the theme": "dark"},
    "no name": {"": "dark"},
    "a long name": {"x" * 64: "dark"},
    "a card number in a name": {"n4111111111111111": "dark"},
    "the name of a contact's field": {"email": "dark"},
    "the name of a card's field": {"card_number": "dark"},
    "a customer by name": {"customer_id": "dark"},
    "an e-mail address": {"news": "to ann@example.org please"},
    "a card number": {"pay": "4111 1111 1111 1111"},
    "a control character": {"theme": "da\x00rk"},
    "a long value": {"theme": "é" * 129},
}


@pytest.mark.parametrize("what", BAD)
def test_what_could_be_about_somebody_is_refused(what: str) -> None:
    """Neither the name nor the value is echoed."""
    with pytest.raises(InvalidArgument) as refused:
        check(BAD[what])
    assert refused.value.field == "preferences.values"
    assert "4111" not in str(refused.value)
    assert "ann@" not in str(refused.value)
