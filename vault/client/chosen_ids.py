"""What a request_id that the caller chose gives: the same call, made again after a crash, has one effect.

The vault knows a request by its request_id and its bytes. So where the SDK would choose an id at random (a customer's,
a card's), it derives it from the request_id instead, and the repeated request is the same one: the vault answers what
it answered the first time, within 24 hours. A sealed card is never the same bytes again, because it is sealed anew
under a fresh salt. Such a request goes out under a request_id of its own, and its repetition is recognized by the name,
which is the same: `AlreadyExists` says that the first call was done.
"""

import re
import uuid
from itertools import count

from vault.domain import names
from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class ChosenIds:
    """The ids of one call."""

    def __init__(self, request_id: str) -> None:
        """Take the caller's request_id; empty if it chose none.

        Raises:
            InvalidArgument: it is no UUID in its usual form, 8-4-4-4-12 hex digits.
        """
        self.request_id = checked(request_id)

    def new(self, what: str) -> str:
        """An id for a record: random, or always the same for a request_id.

        Args:
            what: which record of the call, such as `card 0`.
        """
        if not self.request_id:
            return names.new_id()
        derived = (uuid.uuid5(uuid.UUID(self.request_id), f"{what} {attempt}").hex for attempt in count())
        return next(text for text in derived if not is_pan_like(text))

    def of_request(self, *, sealed: bool) -> str:
        """The request_id to send; the SDK's own if something in the request is sealed here."""
        return "" if sealed else self.request_id


def checked(request_id: str) -> str:
    """A request_id as the vault takes it, or empty.

    Raises:
        InvalidArgument: it is something else.
    """
    if request_id and not _UUID.fullmatch(request_id):
        raise InvalidArgument("request_id", "must be a UUID, 8-4-4-4-12 hex digits")
    return request_id
