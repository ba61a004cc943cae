"""The shape of requests: protovalidate checks what the .proto declares. It never sees who calls.

Before it, repeated fields are counted: rules that look at each item are slow on a million of them, and a count is
not. A violation's value is never read; the error has the field's path and the rule's own text.
"""

from functools import cache
from typing import Any

import protovalidate
from google.protobuf.message import Message

from vault.buf.validate import validate_pb2
from vault.errors import InvalidArgument

_VALIDATOR = protovalidate.Validator()
_MOST = 64
"""Items of a repeated field that declares no limit, such as a mask's paths."""


def check(request: Message) -> None:
    """Check a request against the rules in its descriptor.

    Raises:
        InvalidArgument: the first field that breaks a rule.
    """
    _count(request, "")
    violations = _VALIDATOR.collect_violations(request, fail_fast=True)
    if violations:
        proto = violations[0].proto
        elements = proto.field.elements if proto.field else []
        path = ".".join(
            f"{e.field_name}[{e.subscript.value}]" if e.subscript and e.subscript.field == "index" else e.field_name
            for e in elements
        )
        raise InvalidArgument(path or "request", proto.message or "breaks a rule of the API")


def _count(message: Message, path: str) -> None:
    for name, most, nested in _countable(message.DESCRIPTOR.full_name, message.DESCRIPTOR):
        if most is None:
            if message.HasField(name):
                _count(getattr(message, name), f"{path}{name}.")
            continue
        items = getattr(message, name)
        if len(items) > most:
            raise InvalidArgument(f"{path}{name}", f"must have at most {most} items")
        if nested:
            for at, item in enumerate(items):
                _count(item, f"{path}{name}[{at}].")


@cache
def _countable(_name: str, descriptor: Any) -> tuple[tuple[str, int | None, bool], ...]:  # noqa: ANN401 - upb's class
    """What `_count` looks at: (field, limit of a repeated one or None for a message, whether to go on inside)."""
    found: list[tuple[str, int | None, bool]] = []
    for field in descriptor.fields:
        nested = field.message_type is not None and _has_countable(field.message_type)
        if field.is_repeated:
            rules = field.GetOptions().Extensions[validate_pb2.field].repeated
            found.append((field.name, rules.max_items if rules.HasField("max_items") else _MOST, nested))
        elif nested:
            found.append((field.name, None, True))
    return tuple(found)


def _has_countable(descriptor: Any) -> bool:  # noqa: ANN401 - upb's class
    return any(f.is_repeated or (f.message_type and _has_countable(f.message_type)) for f in descriptor.fields)
