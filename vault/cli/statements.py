"""What the commands about customers' statements share: how something was said, and how it reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from vault.cli import moments
from vault.client.statements import CHANNELS
from vault.v1 import consent_pb2 as said
from vault.v1.customer_service_pb2 import GetCustomerResponse

_Command = TypeVar("_Command", bound=Callable[..., Any])


def said_options(command: _Command) -> _Command:
    """`--channel` and `--said-at`: how and when the customer said it."""
    channel = click.option("--channel", type=click.Choice(CHANNELS), required=True, help="How the customer said it.")
    moment = click.option("--said-at", type=click.DateTime(), help="When, in UTC; now if left out.")
    return channel(moment(command))


def in_utc(moment: datetime | None) -> datetime | None:
    """A time as it was typed."""
    return moment.replace(tzinfo=UTC) if moment else None


def consent_event(event: said.ConsentEvent) -> dict[str, str]:
    """One event of a consent record, by its fields of ISO/IEC TS 27560."""
    found = {
        "event_state": _word(said.ConsentState.Name(event.state), "CONSENT_STATE_"),
        "event_time": moments.iso_ms(event.event_time_ms),
        "event_type": _channel(event.channel),
        "privacy_notice": event.notice_version,
        "valid_until": moments.iso_ms(event.expire_time_ms),
        "entity_id": event.recorded_by,
        "recorded_at": moments.iso_ms(event.record_time_ms),
    }
    return {name: value for name, value in found.items() if value}


def objection_event(event: said.ObjectionEvent) -> dict[str, object]:
    """One event of an objection."""
    return {
        "objects": event.objects,
        "event_time": moments.iso_ms(event.event_time_ms),
        "event_type": _channel(event.channel),
        "entity_id": event.recorded_by,
        "recorded_at": moments.iso_ms(event.record_time_ms),
    }


def restriction_event(event: said.RestrictionEvent) -> dict[str, object]:
    """One event of a restriction."""
    ground = _word(said.RestrictionGround.Name(event.ground), "RESTRICTION_GROUND_") if event.ground else ""
    return {
        "restricted": event.restricted,
        "ground": ground,
        "event_time": moments.iso_ms(event.event_time_ms),
        "event_type": _channel(event.channel),
        "entity_id": event.recorded_by,
        "recorded_at": moments.iso_ms(event.record_time_ms),
    }


def document(found: GetCustomerResponse) -> dict[str, object]:
    """All that a customer said, and who read what."""
    statements = found.statements
    return {
        "customer_id": found.customer.customer_id,
        "consents": [
            {"record_id": c.consent_id, "purpose": c.purpose, "events": [consent_event(e) for e in c.events]}
            for c in statements.consents
        ],
        "objections": [
            {"purpose": o.purpose, "events": [objection_event(e) for e in o.events]} for o in statements.objections
        ],
        "restrictions": [restriction_event(e) for e in statements.restrictions],
        "reads": [
            {
                "caller": r.caller,
                "purpose": r.purpose,
                "order_id": r.order_id,
                "records": r.records,
                "first": moments.iso_ms(r.first_time_ms),
                "last": moments.iso_ms(r.last_time_ms),
                "fields": list(r.fields),
            }
            for r in found.reads
        ],
    }


def _channel(channel: said.ConsentChannel.ValueType) -> str:
    return _word(said.ConsentChannel.Name(channel), "CONSENT_CHANNEL_")


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
