"""The protected fields, read from the descriptors of the API: the .proto is their only list.

A field's policy name is the message's `category` and the field's name, `payment.card_number`; its number stands only
in a box. Everything that must go field by field (sealing, opening, masks, the policy's completeness) walks this table.
"""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vault.v1 import options_pb2, records_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message


class Plaintext(Enum):
    """How a protected field's plaintext is made."""

    STRING = "string"
    BYTES = "bytes"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class ProtectedField:
    """One protected field of one record message."""

    number: int
    name: str
    """Name in the message: `card_number`."""
    policy_name: str
    """Name in the policy and in every context: `payment.card_number`."""
    plaintext: Plaintext


def _of(descriptor: Any) -> list[ProtectedField]:  # noqa: ANN401 - two descriptor classes, one duck
    category = descriptor.GetOptions().Extensions[options_pb2.category]
    return [
        ProtectedField(f.number, f.name, f"{category}.{f.name}", _plaintext(f))
        for f in sorted(descriptor.fields, key=lambda f: f.number)
        if f.GetOptions().Extensions[options_pb2.protected]
    ]


def _plaintext(field: "FieldDescriptor") -> Plaintext:
    if field.type == field.TYPE_MESSAGE:
        return Plaintext.MESSAGE
    return Plaintext.STRING if field.type == field.TYPE_STRING else Plaintext.BYTES


_BY_MESSAGE: "Mapping[str, Mapping[str, ProtectedField]]" = MappingProxyType(
    {
        d.full_name: MappingProxyType({f.name: f for f in _of(d)})
        for d in records_pb2.DESCRIPTOR.message_types_by_name.values()
    }
)
ALL_FIELDS: "Mapping[str, ProtectedField]" = MappingProxyType(
    {f.policy_name: f for fields in _BY_MESSAGE.values() for f in fields.values()}
)
"""Every protected field of every record, by policy name."""


def protected_fields(message: "type[Message]") -> "Mapping[str, ProtectedField]":
    """The protected fields of a record message by name, ascending by number."""
    return _BY_MESSAGE[message.DESCRIPTOR.full_name]
