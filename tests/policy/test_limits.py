"""How much one caller may ask for: from the tables of a policy to one caller's limits."""

import pytest

from vault.errors import ConfigError
from vault.policy.limits import DEFAULT, STRANGER, Limits
from vault.policy.load import DEFAULT as SHIPPED
from vault.policy.load import load, parse

CARE = "spiffe://vault.example/care"
TEXT = SHIPPED.read_text(encoding="utf-8") + f'\n[callers."{CARE}"]\nroles = ["care", "notices"]\n'


def test_the_shipped_policy_says_what_a_policy_without_limits_gets() -> None:
    """So an older file means the same."""
    shipped = load(SHIPPED).limits
    assert (shipped.default, shipped.unknown) == (DEFAULT, STRANGER)
    assert Limits().default == DEFAULT


def test_a_callers_own_limit_counts_then_its_roles_then_the_default() -> None:
    """Key by key; of several roles the larger number, as a caller may do what any of them may."""
    own = parse(f'{TEXT}\n[limits.callers."{CARE}"]\nconcurrent = 3\n', "p").limits.of(CARE, frozenset({"care"}))
    assert (own.concurrent, own.records_per_second, own.search_burst) == (3, 1000, 200)
    both = parse(TEXT, "p").limits.of(CARE, frozenset({"care", "notices"}))
    assert both.records_per_second == DEFAULT.records_per_second
    assert parse(TEXT, "p").limits.of("spiffe://vault.example/billing", frozenset({"billing"})) == DEFAULT


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ('[limits.callers."spiffe://vault.example/nobody"]', 'limits.callers."spiffe://vault.example/nobody"'),
        ("[limits.roles.nobody]", "limits.roles.nobody"),
        ("[limits.roles.billing]\nburst = 0", "limits.roles.billing.burst"),
        ("[limits.roles.billing]\nburst = 1.5", "limits.roles.billing.burst"),
        ("[limits.roles.billing]\nrecords_per_second = -1", "limits.roles.billing.records_per_second"),
        ("[limits.roles.billing]\nrecords_per_second = nan", "limits.roles.billing.records_per_second"),
        ('[limits.roles.billing]\nconcurrent = "all"', "limits.roles.billing.concurrent"),
        ("[limits.roles.billing]\nrate = 1", "limits.roles.billing.rate"),
    ],
)
def test_a_limit_that_limits_nobody_or_everything_is_refused(table: str, key: str) -> None:
    """By the line to change."""
    with pytest.raises(ConfigError) as refused:
        parse(f"{TEXT}\n{table}\n", "policy.toml")
    assert refused.value.key == key
