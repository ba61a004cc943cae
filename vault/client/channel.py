"""The connection: mutual TLS, and the few things that gRPC must be told.

A lost connection is made again at once and then every second at the latest; gRPC alone would wait up to two
minutes after a long outage. What is sent again over it is decided by `vault.client.repeating`. Compression stays off
(CRIME: what compresses well betrays what it repeats), sizes are limited on both sides, and a proxy named in the
environment is not used: the vault is reached directly or not at all.
"""

import grpc

from vault.client.settings import Settings

MAX_RECEIVE = 16 << 20
MAX_SEND = 4 << 20


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
        # Only of requests that gRPC itself knows to have reached nobody: no retry policy is given.
        ("grpc.enable_retries", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.max_receive_message_length", MAX_RECEIVE),
        ("grpc.max_send_message_length", MAX_SEND),
        ("grpc.enable_http_proxy", 0),
    ]
