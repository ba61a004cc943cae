"""What an account and the lines of a customer's log must be."""

import unicodedata
from typing import Final

from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument
from vault.v1.records_pb2 import Account, AccountHistory, AccountState

MOST_STATES: Final = 200
"""Of a history: more changes than a customer makes in a lifetime; of more the oldest go."""


def normalize(account: Account, prefix: str = "account") -> None:
    """Check status and services as a caller gives them.

    Raises:
        InvalidArgument: a field breaks its rule; the value is not echoed.
    """
    if account.HasField("history"):
        raise InvalidArgument(f"{prefix}.history", "must be left out: the vault writes it")
    if account.sealed:
        raise InvalidArgument(f"{prefix}.sealed", "must be left out: the vault seals accounts")
    if account.status:
        check_text(account.status, f"{prefix}.status")
    services = list(account.services.services)
    for at, service in enumerate(services):
        check_text(service, f"{prefix}.services.services[{at}]")
    if len(set(services)) < len(services):
        raise InvalidArgument(f"{prefix}.services.services", "must name each service once")


def check_text(text: str, field: str) -> None:
    """Check a line of text that people read.

    Raises:
        InvalidArgument: `field` is blank, has control characters, or looks like a card number.
    """
    if not text.strip():
        raise InvalidArgument(field, "must not be blank")
    if any(unicodedata.category(c) == "Cc" for c in text):
        raise InvalidArgument(field, "must not have control characters")
    if is_pan_like(text):
        raise InvalidArgument(field, "must not look like a card number")


def changed(before: Account, after: Account, since: int, now: int) -> AccountHistory:
    """The history of an account after a change; both times in milliseconds since 1970.

    Args:
        before: with its history.
        after: with the status and services that it gets.
        since: when the state before began.
        now: when it ended.
    """
    states = list(before.history.states)
    if (before.status, before.services) != (after.status, after.services):
        state = AccountState(status=before.status, services=before.services.services)
        begun = states[-1].end_time.ToMilliseconds() if states else since
        state.start_time.FromMilliseconds(begun)
        state.end_time.FromMilliseconds(now)
        states.append(state)
    return AccountHistory(states=states[-MOST_STATES:])
