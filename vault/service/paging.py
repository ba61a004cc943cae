"""Page tokens: the name after which the next page begins. Opaque to callers, and no secret."""

import base64
import binascii

from vault.errors import InvalidArgument

DEFAULT_SIZE = 100


def token_after(name: str) -> str:
    """The token of the page after `name`."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def name_after(token: str) -> str:
    """The name after which a page begins; empty for the first.

    Raises:
        InvalidArgument: the server gave no such token.
    """
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise InvalidArgument("page_token", "must be one that the server gave") from None
