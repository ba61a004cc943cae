"""The shape of requests: protovalidate checks what the .proto declares. It never sees who calls.

A violation's value is never read; the error has the field's path and the rule's own text.
"""

import protovalidate
from google.protobuf.message import Message

from vault.errors import InvalidArgument

_VALIDATOR = protovalidate.Validator()


def check(request: Message) -> None:
    """Check a request against the rules in its descriptor.

    Raises:
        InvalidArgument: the first field that breaks a rule.
    """
    violations = _VALIDATOR.collect_violations(request, fail_fast=True)
    if violations:
        proto = violations[0].proto
        elements = proto.field.elements if proto.field else []
        path = ".".join(
            f"{e.field_name}[{e.subscript.value}]" if e.subscript and e.subscript.field == "index" else e.field_name
            for e in elements
        )
        raise InvalidArgument(path or "request", proto.message or "breaks a rule of the API")
