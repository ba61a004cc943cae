"""The encoder is injective and refuses what it cannot encode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.crypto.context import encode, encode_raw, encode_text, encode_three
from vault.errors import InvalidArgument

PARTS = st.lists(st.binary(max_size=12), max_size=5)


@given(PARTS, PARTS)
def test_different_parts_never_give_the_same_bytes(one: list[bytes], other: list[bytes]) -> None:
    """Injective over lists of byte strings."""
    assert (encode(*one) == encode(*other)) == (one == other)


@given(st.text(max_size=12), st.integers(0, 2**63 - 1))
def test_text_is_utf_8_and_integers_are_eight_bytes(text: str, number: int) -> None:
    """As the format says."""
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        with pytest.raises(InvalidArgument):
            encode(text)
        return
    expected = len(raw).to_bytes(4, "big") + raw + (8).to_bytes(4, "big") + number.to_bytes(8, "big")
    assert encode(text, number) == expected


@given(st.text(max_size=12), st.binary(max_size=12), st.lists(st.integers(0, 2**63 - 1), min_size=3, max_size=3))
def test_the_encoders_of_one_type_give_the_same_bytes(text: str, raw: bytes, numbers: list[int]) -> None:
    """As the general one."""
    try:
        expected = encode(text, raw, *numbers)
    except InvalidArgument:
        with pytest.raises(InvalidArgument):
            encode_text(text)
        return
    assert encode_text(text) + encode_raw(raw) + encode_three(*numbers) == expected


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("number", [-1, 2**63, 2**64])
def test_each_of_three_integers_is_looked_at(number: int, place: int) -> None:
    """Beside two that are in range."""
    with pytest.raises(InvalidArgument):
        encode_three(*(number if at == place else 7 for at in range(3)))


@pytest.mark.parametrize("number", [-1, 2**63, 2**64])
def test_integers_out_of_range_are_refused(number: int) -> None:
    """Below 2^63 and not negative."""
    with pytest.raises(InvalidArgument):
        encode(number)
