"""What an order form may hold: the fields that the policy lists, and nothing that pays.

A card goes through the card's own door, sealed before it is sent. So a form has no field for one, by name, and a text
that looks like a card number is refused in each of its values.
"""

import re
from collections.abc import Collection, Mapping
from typing import Final

from vault.domain.fields import ALL_FIELDS
from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument

MOST_BYTES: Final = 1024
"""Of one value."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_PAYS: Final = frozenset(name.partition(".")[2] for name in ALL_FIELDS if name.startswith("payment."))
_PAYING_WORD: Final = re.compile(r"(?:^|_)(?:card|cc|cvv|cvc|csc|cvv2|cvc2|pan|iban|account|pin|payment)(?:_|$)")


def is_name(text: str) -> bool:
    """Whether a form's field may be called so: `street`."""
    return _NAME.fullmatch(text) is not None


def pays(name: str) -> bool:
    """Whether a field's name says that it is about payment."""
    return name in _PAYS or _PAYING_WORD.search(name) is not None


def check(values: Mapping[str, str], allowed: Collection[str]) -> None:
    """Check what a visitor typed.

    Raises:
        InvalidArgument: a field that the policy does not list, or a value that is too long or holds a card number.
    """
    if not values:
        raise InvalidArgument("form.values", "must hold a field")
    for name, value in values.items():
        # A name that is not listed may itself be what somebody typed, so it is not repeated.
        if name not in allowed:
            raise InvalidArgument("form.values", "must be fields that the policy lists under [order_form]")
        if len(value.encode()) > MOST_BYTES:
            raise InvalidArgument(f"form.values.{name}", f"must be at most {MOST_BYTES} bytes")
        if is_pan_like(value):
            raise InvalidArgument(
                f"form.values.{name}", "must not hold a card number: cards are sealed and sent as such"
            )
