"""Times as people and programs read them: RFC 3339 in UTC."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def iso(moment: datetime | None) -> str:
    """To the second; empty if there is none."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def iso_ms(milliseconds: int) -> str:
    """From milliseconds since 1970; empty for 0, which stands for none."""
    return iso(datetime.fromtimestamp(milliseconds / 1000, UTC)) if milliseconds else ""


def days_since(milliseconds: int) -> int:
    """Whole days from then to now."""
    return (datetime.now(UTC) - datetime.fromtimestamp(milliseconds / 1000, UTC)).days


def of_timestamp(stamp: Timestamp) -> str:
    """From protobuf; empty for one that is not set."""
    return iso(stamp.ToDatetime(UTC)) if stamp.seconds else ""
