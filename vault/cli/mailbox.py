"""What the mail commands share: the client of the mail system, and how a message is shown.

Only the mail system holds the key of mail_delivery. Any other role gets a fresh key, so that the call is really made
and really refused by the vault, with its reason.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from vault.cli import moments, profile
from vault.client import MailClient
from vault.client.mail import PURPOSE
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.v1 import mail_service_pb2 as api
from vault.v1.records_pb2 import MessageKind

ROLE: Final = "mail"
STATES: Final = {
    "waiting": api.MESSAGE_STATE_WAITING,
    "leased": api.MESSAGE_STATE_LEASED,
    "dead": api.MESSAGE_STATE_DEAD,
}

_Result = TypeVar("_Result")


def run(home: Path, role: str | None, work: Callable[[MailClient], Awaitable[_Result]]) -> _Result:
    """As `profile.run`, for the mail system or for whoever tries."""
    settings = profile.settings_of(home, role or ROLE)
    if PURPOSE not in settings.purpose_keys:
        settings = replace(settings, purpose_keys={**settings.purpose_keys, PURPOSE: (PurposeKeyPair(new_seed()),)})
    return profile.run_with(settings, MailClient, work)


def values(message: api.QueuedMessage) -> dict[str, Any]:
    """What stands in plain of a message, for programs."""
    return {
        "record_name": message.record_name,
        "kind": MessageKind.Name(message.kind).removeprefix("MESSAGE_KIND_").lower(),
        "state": api.MessageState.Name(message.state).removeprefix("MESSAGE_STATE_").lower(),
        "size": message.size,
        "attempts": message.attempts,
        "create_time": moments.of_timestamp(message.create_time),
        "due_time": moments.of_timestamp(message.due_time),
        "dead_time": moments.of_timestamp(message.dead_time),
        "expire_time": moments.of_timestamp(message.expire_time),
        "last_reason": api.ReleaseReason.Name(message.last_reason).removeprefix("RELEASE_REASON_").lower()
        if message.last_reason
        else "",
        "last_status": message.last_status,
        "recipients": list(_recipients(message)),
    }


def _recipients(message: api.QueuedMessage) -> Iterator[dict[str, Any]]:
    for each in message.recipients:
        state = api.RecipientState.Name(each.state).removeprefix("RECIPIENT_STATE_").lower()
        yield {"recipient": each.recipient, "state": state, "status": each.status}


def waiting(message: api.QueuedMessage) -> str:
    """How many of its recipients still wait."""
    left = sum(each.state == api.RECIPIENT_STATE_WAITING for each in message.recipients)
    return f"{left} of {len(message.recipients)}"
