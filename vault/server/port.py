"""What the edge needs of the vault behind it, and what both paths of a call share.

A Protocol and not the class: the edge is tested with fakes, and the vault does not know gRPC.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Final, Protocol

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from vault.pki.spiffe import SpiffeId
from vault.policy.model import Policy
from vault.server.boundary import Context
from vault.service.gauges import Sample
from vault.service.troubles import Trouble

PACKAGE: Final = "vault.v1"
CHECKPOINT: Final = "vault-checkpoint-bin"
"""Trailing metadata of every answer: the newest signed checkpoint of this process's log."""

Identify = Callable[[Context, int], SpiffeId]
"""From a call and its time in milliseconds since 1970 to its caller; raises `Unauthenticated`."""


class Vault(Protocol):
    """What the edge needs of the vault."""

    @property
    def methods(self) -> Mapping[str, object]:
        """The served methods, by names such as ``ContactService.GetContact``."""

    @property
    def checkpoint(self) -> bytes:
        """The newest signed checkpoint note; empty before the first."""

    async def call(self, method: str, peer: str, request: Message, *, now: int, correlation: str) -> Message:
        """Do what is asked and answer, or raise a `VaultError`."""

    async def collect(
        self, method: str, peer: str, requests: AsyncIterator[Message], *, now: int, correlation: str
    ) -> Message:
        """The same for a method whose requests are a stream."""

    def stream(
        self, method: str, peer: str, request: Message, *, now: int, correlation: str
    ) -> AsyncGenerator[Message, None]:
        """The same for a method whose answers are a stream; an asynchronous generator, which is closed in any case."""

    async def close(self) -> None:
        """Put everything away."""

    @property
    def policy(self) -> Policy:
        """In force now."""

    async def log_refused(self, peer: str, method: str, count: int) -> None:
        """Log calls that were refused because a limit was reached."""

    async def gauges(self) -> Sequence[Sample]:
        """How it stands, as figures."""

    async def troubles(self) -> Sequence[Trouble]:
        """Why it cannot serve, nothing if it can; and tries what failed before once more."""

    async def reload_policy(self) -> None:
        """Read policy.toml again and go on under it, or raise `ConfigError` and keep the one before."""


def descriptor(name: str) -> MethodDescriptor:
    """Find what the .proto says of a method such as ``ContactService.GetContact``."""
    service, method = name.split(".")
    found: MethodDescriptor = (
        descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.{service}").methods_by_name[method]
    )
    return found
