"""Between a record's message and its boxes: which plaintext stands for a field, and the way back.

Plaintext of a string is its UTF-8, of bytes the bytes, of a message its serialization. An empty string or bytes is
absent and has no box.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.message import DecodeError, Message

from vault.crypto import envelope
from vault.crypto.envelope import Step
from vault.domain.fields import Plaintext, ProtectedField, protected_fields
from vault.errors import OpenError
from vault.v1.envelope_pb2 import Envelope

_STRING, _BYTES = Plaintext.STRING, Plaintext.BYTES


def plaintexts(record: Message) -> list[tuple[ProtectedField, bytes]]:
    """The protected values that a record's message holds in plain, ascending by field number."""
    found = []
    for field in protected_fields(type(record)).values():
        value = getattr(record, field.name)
        if field.plaintext is Plaintext.STRING:
            if value:
                found.append((field, value.encode()))
        elif field.plaintext is Plaintext.BYTES:
            if value:
                found.append((field, value))
        elif record.HasField(field.name):
            found.append((field, value.SerializeToString(deterministic=True)))
    return found


def put(record: Any, field: ProtectedField, plaintext: bytes) -> None:  # noqa: ANN401 - a generated class, by field name
    """Set a field of a record's message from its opened plaintext.

    Raises:
        OpenError: the plaintext is no serialization of the field's message.
    """
    if field.plaintext is _STRING:
        setattr(record, field.name, plaintext.decode())
    elif field.plaintext is _BYTES:
        setattr(record, field.name, plaintext)
    else:
        sub = getattr(record, field.name)
        try:
            sub.ParseFromString(plaintext)
        except DecodeError:
            raise OpenError("a box does not open") from None
        sub.SetInParent()


def seal(
    vault_id: bytes,
    record_name: str,
    values: Iterable[tuple[ProtectedField, bytes]],
    audiences: Mapping[str, str],
    step_of: Callable[[str], Step],
) -> list[Envelope]:
    """Seal values, one envelope for each audience; `audiences` gives each field's by policy name."""
    groups: dict[str, list[tuple[ProtectedField, bytes]]] = {}
    for field, plaintext in values:
        groups.setdefault(audiences[field.policy_name], []).append((field, plaintext))
    return [envelope.seal(vault_id, step_of(audience), record_name, group) for audience, group in groups.items()]


def clear_protected(record: Message) -> None:
    """Leave the protected fields out of a record's message."""
    for name in protected_fields(type(record)):
        record.ClearField(name)
