"""What a policy says of the web site's traffic."""

from fractions import Fraction

import pytest

from tests.policy.policies import TEXT, changed, without
from vault.errors import ConfigError
from vault.policy import load
from vault.policy.traffic import SHIPPED


def test_the_shipped_policy_says_what_a_file_without_the_table_gets() -> None:
    """So that nobody is told more because of a file that is older than the table."""
    assert load.parse(TEXT, "p").traffic == SHIPPED
    assert load.parse(without("[traffic]"), "p").traffic == SHIPPED
    assert SHIPPED.epsilon == Fraction(2)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('exact = ["analytics"]', 'exact = ["analysts"]', "traffic.exact[0]"),
        ('exact = ["analytics"]', 'exact = ["sales"]', "traffic.exact[0]"),
        ("k = 20", "k = 1", "traffic.k"),
        ('epsilon = "2"', "epsilon = 2.0", "traffic.epsilon"),
        *(('epsilon = "2"', f'epsilon = "{text}"', "traffic.epsilon") for text in ("0", "0.0", "11", "-1", "1e9", "½")),
        ("names_per_hour = 500", "names_per_hour = 0", "traffic.names_per_hour"),
    ],
)
def test_a_table_that_promises_nothing_is_refused(old: str, new: str, key: str) -> None:
    """By the key to change."""
    with pytest.raises(ConfigError) as refused:
        load.parse(changed("[traffic]", old, new), "p")
    assert refused.value.key == key
