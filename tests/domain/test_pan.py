"""What looks like a card number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.domain.pan import digits_of, is_pan, is_pan_like, luhn_valid, network_of

# The networks' published test numbers.
NUMBERS = {
    "4111111111111111": "visa",
    "4222222222222": "visa",
    "5555555555554444": "mastercard",
    "2223003122003222": "mastercard",
    "378282246310005": "amex",
    "6011111111111117": "discover",
    "30569309025904": "diners",
    "3530111333300000": "jcb",
    "6200000000000005": "unionpay",
    "6759649826438453": "maestro",
}


@pytest.mark.parametrize(("number", "network"), NUMBERS.items())
def test_known_numbers_are_found(number: str, network: str) -> None:
    """With their network, as they are and as people write them."""
    assert network_of(number) == network
    assert is_pan(number)
    grouped = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    for text in (number, grouped, grouped.replace(" ", "-"), f"card {number}!", f"0{number}000000000000"):
        assert is_pan_like(text)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 123",
        "12 4111111111111111",
        "378282246310005 1234",
        "4111111111111111-123",
        "1-2-4111111111111111-3",
    ],
)
def test_neighbouring_digits_hide_nothing(text: str) -> None:
    """A house number before it, or the three digits that must never be stored after it."""
    assert is_pan_like(text)


@pytest.mark.parametrize("sign", [" ", ".", ",", "|", ":", "*", "\u00b7", "\u200b", " - ", "/", "_"])
def test_any_sign_may_separate(sign: str) -> None:
    """Whatever is no letter and no digit."""
    assert is_pan_like(sign.join(("4111", "1111", "1111", "1111")))


def test_letters_and_uuids_are_other_numbers() -> None:
    """Groups that touch a letter, or that machines made, are no card; a whole number beside a letter is."""
    assert not is_pan_like("a4111-1111-1111-1111f")
    assert not is_pan_like("41111111-1111-1111-8000-000000000000")
    assert is_pan_like("card4111111111111111")


@pytest.mark.parametrize("zero", [0xFF10, 0x0660])
def test_digits_of_any_script_count(zero: int) -> None:
    """Full-width or Arabic digits hide nothing."""
    assert is_pan_like("".join(chr(zero + int(digit)) for digit in "4111111111111111"))


@pytest.mark.parametrize(
    "text", ["", "4111", "4111111111111112", "9999999999999995", "2026-11-23 10:00:00", "Bonn 53113"]
)
def test_other_numbers_are_not(text: str) -> None:
    """Wrong check digit, unknown network, too short."""
    assert not is_pan_like(text)


@given(st.integers(0, 10**15 - 1))
def test_luhn_finds_each_single_wrong_digit(number: int) -> None:
    """The check digit's promise."""
    body = f"{number:015d}"
    check = next(d for d in "0123456789" if luhn_valid(body + d))
    whole = body + check
    for at, digit in enumerate(whole):
        other = str((int(digit) + 1) % 10)
        assert not luhn_valid(whole[:at] + other + whole[at + 1 :])


def test_separators_are_taken_out_and_nothing_else() -> None:
    """A letter in a number makes it no number."""
    assert digits_of("4111-1111 1111.1111") == "4111111111111111"
    assert digits_of("4111x") is None
    assert digits_of("") is None
