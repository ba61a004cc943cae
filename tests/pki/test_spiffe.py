"""Caller names are accepted as the SPIFFE specification spells them, or refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import InvalidArgument
from vault.pki import spiffe

LONGEST = "spiffe://vault.example/" + "a" * (spiffe.MAX_BYTES - len("spiffe://vault.example/"))


@pytest.mark.parametrize(
    "text",
    [
        "spiffe://vault.example/billing",
        "spiffe://vault.example/person/alice",
        "spiffe://a/b",
        "spiffe://k8s-west_1.example/ns/Staging/sa/..default.._-",
        "spiffe://10.0.0.1/x",
        LONGEST,
    ],
)
def test_a_well_formed_name_is_returned_as_it_stands(text: str) -> None:
    """No folding, no normalising."""
    assert spiffe.parse(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "billing",
        "https://vault.example/billing",
        "SPIFFE://vault.example/billing",
        "spiffe:/vault.example/billing",
        "spiffe:///billing",
        "spiffe://vault.example",
        "spiffe://vault.example/",
        "spiffe://vault.example/billing/",
        "spiffe://vault.example//billing",
        "spiffe://vault.example/./billing",
        "spiffe://vault.example/a/../billing",
        "spiffe://Vault.example/billing",
        "spiffe://vault.example:443/billing",
        "spiffe://user@vault.example/billing",
        "spiffe://vault%2eexample/billing",
        "spiffe://vault.example/bill%69ng",
        "spiffe://vault.example/billing?x=1",
        "spiffe://vault.example/billing#x",
        "spiffe://vault.example/billing\n",
        "spiffe://vault.example/billing\0",
        "spiffe://vault.example/bílling",
        "spiffe://vault.example/٣",
        f"spiffe://{'a' * 256}/billing",
        LONGEST + "a",
    ],
)
def test_anything_else_is_refused_without_repeating_it(text: str) -> None:
    """The error names the rule; a name may be hostile, so it is not echoed."""
    with pytest.raises(InvalidArgument) as caught:
        spiffe.parse(text)
    assert "billing" not in str(caught.value)


@given(st.text(alphabet="aZ9.-_/%:@? \né", max_size=40).map(lambda rest: "spiffe://" + rest))
def test_only_the_characters_of_the_specification_get_through(text: str) -> None:
    """Against one expression for the whole name, written from sections 2.1 and 2.2."""
    whole = r"spiffe://[a-z0-9._-]+(/(?!\.{1,2}(/|\Z))[a-zA-Z0-9._-]+)+"
    try:
        accepted = bool(spiffe.parse(text))
    except InvalidArgument:
        accepted = False
    assert accepted == bool(re.fullmatch(whole, text))


def test_the_trust_domain_is_the_authority_of_the_name() -> None:
    """Everything up to the first slash of the path."""
    assert spiffe.trust_domain(spiffe.parse("spiffe://vault.example/person/alice")) == "vault.example"


@pytest.mark.parametrize("text", ["", "Vault.example", "vault.example/", "vault.example:1", "a" * 256, "a b"])
def test_a_malformed_trust_domain_is_refused(text: str) -> None:
    """Section 2.1."""
    with pytest.raises(InvalidArgument):
        spiffe.parse_trust_domain(text)
