"""The connection: mutual TLS, and the few things that gRPC must be told.

Retries are gRPC's own, by service config: only after UNAVAILABLE, and only for methods of which a second arrival is
harmless. Which these are is read from the API: a method that reads, or one whose request has a `request_id`. gRPC
resends the very bytes of the first attempt, so a sealed card arrives under the same salt and the same request_id, and
has one effect. Compression stays off (CRIME: what compresses well betrays what it repeats), sizes are limited on both
sides, and a proxy named in the environment is not used: the vault is reached directly or not at all.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import grpc
from google.protobuf.descriptor import MethodDescriptor

from vault import v1
from vault.client.settings import Settings

MAX_RECEIVE = 16 << 20
MAX_SEND = 4 << 20
_READS = ("Get", "BatchGet", "List", "Find", "Explain")
_RETRY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
# After many failures retries stop until calls succeed again, so that callers do not hold down a vault that starts.
_THROTTLE = {"maxTokens": 20, "tokenRatio": 0.2}


def connect(settings: Settings) -> grpc.aio.Channel:
    """A channel that shows this caller's certificate. Connects on its first call."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=settings.ca,
        private_key=settings.private_key.reveal(),
        certificate_chain=settings.certificate,
    )
    named = [
        ("grpc.ssl_target_name_override", settings.server_name),
        ("grpc.default_authority", settings.server_name),
    ]
    return grpc.aio.secure_channel(
        settings.target, credentials, options=options() + named, compression=grpc.Compression.NoCompression
    )


def options() -> list[tuple[str, str | int]]:
    """The channel arguments that hold for every connection."""
    return [
        ("grpc.service_config", service_config()),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", MAX_RECEIVE),
        ("grpc.max_send_message_length", MAX_SEND),
        ("grpc.enable_http_proxy", 0),
    ]


def service_config() -> str:
    """The JSON in which gRPC takes its retry policy."""
    names = [{"service": m.containing_service.full_name, "method": m.name} for m in methods() if may_repeat(m)]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": _RETRY}], "retryThrottling": _THROTTLE})


def may_repeat(method: MethodDescriptor) -> bool:
    """Whether a second arrival of the same request is harmless."""
    return method.name.startswith(_READS) or "request_id" in method.input_type.fields_by_name


def methods() -> Iterator[MethodDescriptor]:
    """Every method of the API, found by folder so that a new service cannot be left out."""
    for module in iter_modules(v1.__path__):
        if module.name.endswith("_service_pb2"):
            file = import_module(f"{v1.__name__}.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                yield from service.methods
