"""What the policy lets an order form keep."""

import pytest

from tests.policy.policies import TEXT, changed, without
from vault.errors import ConfigError
from vault.policy import load


def test_the_shipped_form_asks_for_no_payment() -> None:
    """A policy without the table keeps no form at all."""
    form = load.parse(TEXT, "p").order_form
    assert {"name", "product"} <= form
    assert not load.parse(without("[order_form]"), "p").order_form


@pytest.mark.parametrize(
    "name", ["card_number", "expiry", "holder_name", "cvv", "cc_number", "card", "my_pan", "Name", "a b", ""]
)
def test_a_form_that_asks_for_a_card_is_refused(name: str) -> None:
    """By the field to remove; and so is one whose name is none."""
    with pytest.raises(ConfigError) as refused:
        load.parse(changed("[order_form]", '"quantity"', f'"{name}"'), "p")
    assert refused.value.key == "order_form.fields[9]"


def test_a_form_that_asks_twice_is_refused() -> None:
    """One of them is a mistake for another field."""
    with pytest.raises(ConfigError, match="twice"):
        load.parse(changed("[order_form]", '"quantity"', '"product"'), "p")


def test_who_reads_orders_reads_no_payment() -> None:
    """The order's purpose "never covers payment", in whosever custody it is."""
    in_custody = TEXT.replace(
        '[purposes.order_tracking]\ncustody = "vault"', '[purposes.order_tracking]\ncustody = "caller"'
    ).replace(
        '[fields."payment.brand"]\naudience = ["payment_processing"]',
        '[fields."payment.brand"]\naudience = ["payment_processing", "order_tracking"]',
    )
    assert in_custody.count("order_tracking") == TEXT.count("order_tracking") + 1
    with pytest.raises(ConfigError) as refused:
        load.parse(in_custody, "p")
    assert refused.value.key == 'fields."payment.brand".audience[1]'
    assert "must not read payment" in refused.value.why
