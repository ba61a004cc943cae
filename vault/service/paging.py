"""Page tokens: the name after which the next page begins.

Where the name is one that the caller was just given, the token is merely encoded. Where it may be a customer's whom
the caller must not learn of, it is sealed.
"""

import base64
import binascii

from vault.crypto.vault_key import RowName
from vault.errors import InvalidArgument, OpenError
from vault.keyring.vault_keys import VaultKeys

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
        return _decode(token).decode()
    except (binascii.Error, ValueError):
        raise InvalidArgument("page_token", "must be one that the server gave") from None


def _decode(token: str) -> bytes:
    return base64.b64decode(token.encode(), altchars=b"-_", validate=True)


class SealedTokens:
    """Tokens of one search that only the vault can read."""

    def __init__(self, keys: VaultKeys, search: str) -> None:
        self._keys = keys
        self._row = RowName("page-token", search, 1)

    def token_after(self, name: str) -> str:
        """The token of the page after `name`."""
        return base64.urlsafe_b64encode(self._keys.seal(self._row, name.encode())).decode()

    def name_after(self, token: str) -> str:
        """The name after which a page begins; empty for the first.

        Raises:
            InvalidArgument: the server gave no such token for this search.
        """
        if not token:
            return ""
        try:
            return self._keys.open_sealed(self._row, _decode(token)).decode()
        except (binascii.Error, ValueError, OpenError):
            raise InvalidArgument("page_token", "must be one that the server gave") from None
