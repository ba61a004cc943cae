"""What a visitor's preference may be: what somebody likes, and never who that is.

"Cookies allow a web application to respond to you as an individual" is where a site begins to know its visitors, so
this is narrow on purpose: few, short values under names of the site's own making. What would join a visitor with a
customer is refused: the names of a customer's fields, e-mail addresses, and what looks like a card number. Whether a
value is the id of a customer, only the vault can tell (`vault.service.preferences`).
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from vault.domain.fields import ALL_FIELDS
from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument

MOST: Final = 50
MOST_BYTES: Final = 256
"""Of one value."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}", re.ASCII)
_EMAIL: Final = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
_ABOUT_SOMEBODY: Final = frozenset(
    {name.partition(".")[2] for name in ALL_FIELDS if name.startswith(("contact.", "payment.", "account."))}
    | {"address", "customer", "customer_id", "user", "user_id", "visitor", "visitor_id", "ip", "ip_address"}
)


def check(values: Mapping[str, str], field: str = "preferences.values") -> None:
    """Check a visitor's preferences.

    Raises:
        InvalidArgument: there are too many, or one says, or could say, who the visitor is. Neither name nor value is
            echoed.
    """
    if len(values) > MOST:
        raise InvalidArgument(field, f"must have at most {MOST} items")
    for name, value in values.items():
        if not _NAME.fullmatch(name) or is_pan_like(name):
            raise InvalidArgument(field, "must have names of up to 63 of a-z 0-9 _ . - that begin with a letter")
        if name in _ABOUT_SOMEBODY:
            raise InvalidArgument(field, "must not have the name of something that says who the visitor is")
        if len(value.encode()) > MOST_BYTES:
            raise InvalidArgument(field, f"must have values of at most {MOST_BYTES} bytes")
        if any(unicodedata.category(c) == "Cc" for c in value):
            raise InvalidArgument(field, "must not have control characters")
        if is_pan_like(value):
            raise InvalidArgument(field, "must not look like a card number")
        if _EMAIL.search(value):
            raise InvalidArgument(field, "must not hold an e-mail address")
