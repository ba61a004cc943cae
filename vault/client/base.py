"""What every client has: opening and closing, the policy, the checkpoint.

One class for each role, because a role is what a certificate has: the methods of a class are the calls that the
default policy gives to its role, so that an editor offers what the vault would allow.
"""

from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from vault.client import channel as channels
from vault.client import settings as files
from vault.client.checkpoints import Witness
from vault.client.connection import Connection
from vault.client.settings import Settings
from vault.client.witness_state import State
from vault.crypto.note import Checkpoint
from vault.errors import InvalidArgument
from vault.v1 import audit_service_pb2, policy_service_pb2


class VaultClient:
    """A caller of the vault. Use as an async context manager, or call `close`."""

    purpose: ClassVar[str] = ""
    """Why this caller reads, where a method does not say otherwise."""

    def __init__(self, settings: Settings, *, channel: grpc.aio.Channel | None = None) -> None:
        """Connect from explicit parts; `open` reads them from a folder.

        Args:
            settings: where the vault is, and what this caller holds and believes.
            channel: to use instead of one made from the settings; it is closed with the client.

        Raises:
            ConfigError: the state file holds something that no pinned log signed.
        """
        witness = Witness(settings.pins.logs, State(settings.state) if settings.state else None)
        self._connection = Connection(channel or channels.connect(settings), settings.pins, witness)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Make a client from a caller's folder (or its client.toml), inside a running event loop.

        Raises:
            ConfigError: a file is missing, malformed, or a key that others may read.
        """
        return cls(files.load(path))

    async def close(self) -> None:
        """Close the connection and forget keys."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get_policy(self) -> policy_service_pb2.GetPolicyResponse:
        """The policy in force: purposes, fields and clauses."""
        return await self._connection.call(self._connection.policy.GetPolicy, policy_service_pb2.GetPolicyRequest())

    async def explain_access(
        self, field: str, purpose: str = "", *, caller: str = ""
    ) -> policy_service_pb2.ExplainAccessResponse:
        """Whether a field may be read for a purpose, and which clause says so.

        Args:
            field: its policy name, `payment.card_number`.
            purpose: may be left out by a caller that has exactly one.
            caller: a SPIFFE ID or role; this caller if empty.
        """
        request = policy_service_pb2.ExplainAccessRequest(caller=caller, field=field, purpose=purpose)
        return await self._connection.call(self._connection.policy.ExplainAccess, request)

    async def get_checkpoint(self, log_id: str = "") -> Checkpoint:
        """The newest checkpoint of a log, verified.

        Args:
            log_id: which log; that of the process that answers if empty.

        Raises:
            BadCheckpoint: no pinned log signed it.
            RolledBack: the log shrank or was rewritten.
        """
        floor = self._connection.witness.floor()
        request = audit_service_pb2.GetCheckpointRequest(log_id=log_id)
        answer = await self._connection.call(self._connection.audit.GetCheckpoint, request)
        return self._connection.witness.accept(answer.checkpoint.encode(), floor)


def mask(fields: Collection[str] | None) -> FieldMask | None:
    """A mask of fields; None means all.

    Raises:
        InvalidArgument: it is empty, which on the wire would mean all.
    """
    if fields is None:
        return None
    if not fields:
        raise InvalidArgument("fields", "must name a field, or be left out")
    # In one order, also from a set: a request that is repeated under its request_id must be the same bytes.
    return FieldMask(paths=sorted(fields))
