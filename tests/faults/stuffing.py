"""Requests with a value where it does not belong: each text and each byte string of a message, one after the other.

They are made from the descriptors of the API, so a method or a field that is added is stuffed from its first day.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

Path = tuple[str, ...]

_DEPTH = 4
"""Levels of messages; `requests.cards.sealed.boxes` is the deepest that a request has."""
_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def places(descriptor: Descriptor, depth: int = _DEPTH) -> Iterator[Path]:
    """The paths of all texts and byte strings under a message."""
    for field in descriptor.fields:
        if field.type in _TEXTS:
            yield (field.name,)
        elif field.message_type is not None and depth > 1:
            yield from ((field.name, *rest) for rest in places(field.message_type, depth - 1))


def put(message: Message, path: Path, value: str) -> None:
    """Put the value there; messages on the way are made, lists get one element."""
    head, *rest = path
    field = message.DESCRIPTOR.fields_by_name[head]
    if not rest:
        held = value.encode() if field.type == FieldDescriptor.TYPE_BYTES else value
        if field.is_repeated:
            getattr(message, head)[:] = [held]
        else:
            setattr(message, head, held)
        return
    inner: Any = getattr(message, head)
    if isinstance(inner, MutableMapping):
        # A map has no element to set: the text becomes its key, or its value.
        inner.update({value: "text"} if rest == ["key"] else {"name": value})
        return
    target = (inner[0] if inner else inner.add()) if field.is_repeated else inner
    target.SetInParent()
    put(target, tuple(rest), value)


def stuffed(method: MethodDescriptor, values: Iterator[str], good: Mapping[str, object]) -> Iterator[Message]:
    """A request for each place of the method's request, then one with all of them at once.

    `good` has values for top-level fields, wherever a request has them, so that the one bad value is all that is wrong.
    """
    make = message_factory.GetMessageClass(method.input_type)
    fitting = {name: value for name, value in good.items() if name in method.input_type.fields_by_name}
    everywhere = make()
    for path in places(method.input_type):
        request = make(**fitting)
        put(request, path, next(values))
        put(everywhere, path, next(values))
        yield request
    yield everywhere
