"""One open vault, and the way of a call.

A call is authorized before its request
is looked at (AIP-211), then its shape is checked, then it is served. Whatever is refused is in the log before the
refusal leaves: a caller who tries doors leaves a trace at each.
"""

import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from types import MappingProxyType

from google.protobuf.message import Message

from vault.domain import names
from vault.domain.names import RecordName
from vault.errors import CallerError, DataLoss, InvalidArgument, PermissionDenied, RateLimited
from vault.policy import load as policy_file
from vault.policy.decide import permit_call
from vault.policy.model import Caller, Policy
from vault.service import validation
from vault.service.call import Call
from vault.service.entries import Touched, refusal_entry, touched_entry
from vault.service.gauges import Gauges, Sample
from vault.service.methods import Handler, methods_of
from vault.service.parts import Parts
from vault.service.policy_change import changed
from vault.service.settings import Settings
from vault.service.starting import owner_of, started
from vault.service.streaming import Permit, Requests, permitted
from vault.service.troubles import Trouble, Troubles
from vault.service.upkeep import DAY_MS, Upkeep
from vault.storage.port import Purged
from vault.storage.sqlite import SqliteStorage


class Vault:
    """One open vault; `open` makes it."""

    def __init__(self, parts: Parts, settings: Settings, owner: str) -> None:
        self._parts = parts
        self._settings = settings
        self._owner = owner
        self._upkeep = Upkeep(
            parts.store,
            parts.records,
            parts.keyring.requests,
            parts.clock,
            expire=parts.retention.sweep,
            window_ms=int(settings.storage.restore_window_days * DAY_MS),
            purged=self._log_purge,
        )
        self._gauges = Gauges(parts, self._upkeep, settings.storage)
        self._troubles = Troubles(parts, settings.storage, owner)
        self.policy = parts.policy
        self.methods: Mapping[str, Handler] = MappingProxyType(methods_of(parts))

    @classmethod
    async def open(cls, settings: Settings, *, fatal: Callable[[str], None]) -> "Vault":
        """Open policy, stores, keys and log; `close` closes them in the reverse order.

        Args:
            settings: of vault.toml.
            fatal: called with a fixed text when the process must end: its disk or its log cannot be trusted.

        Raises:
            ConfigError: a file is wrong; it says which, where and what to do.
            DataLoss: the key store or the log is damaged.
        """
        policy = policy_file.load(settings.vault.policy, require_keys=True)
        store = await SqliteStorage.open(settings.storage.data, settings.storage.keys, fatal=fatal)
        try:
            parts = await started(settings, policy, store, fatal)
            vault = cls(parts, settings, owner_of(settings))
        except BaseException:
            await store.close()
            raise
        vault._upkeep.start()
        parts.trail.index.start()
        if parts.witness:
            parts.witness.start(parts.log)
        return vault

    @property
    def checkpoint(self) -> bytes:
        """The newest signed checkpoint, which every response carries."""
        return self._parts.log.newest

    async def call(self, method: str, peer: str, request: Message, *, now: int, correlation: str) -> Message:
        """Serve one call.

        Args:
            method: `ContactService.GetContact`.
            peer: SPIFFE ID of the caller, from its certificate.
            request: as it was parsed; a write brings its fields into normal form in place.
            now: milliseconds since 1970.
            correlation: names the call in the server's own log.

        Raises:
            VaultError: with a fixed text; a refusal is in the log already.
        """
        del correlation
        call = Call(self.policy.caller(peer), method, now)
        self._parts.log.check()
        try:
            permit_call(self.policy, call.caller, method)
            # What the API does not know is not kept: an envelope's unknown field would be room for a value in plain.
            request.DiscardUnknownFields()
            validation.check(request)
            answer: Message = await self.methods[method](call, request)
        except (CallerError, DataLoss) as error:
            await self._log_refusal(call, error, request)
            raise
        return answer

    async def collect(
        self, method: str, peer: str, requests: AsyncIterator[Message], *, now: int, correlation: str
    ) -> Message:
        """Serve a call whose requests are a stream; arguments and errors as `call`."""
        del correlation
        call, permit = self._begin(method, peer, now)
        checked = Requests(requests, permit)
        try:
            permit()
            answer: Message = await self.methods[method](call, checked)
        except (CallerError, DataLoss) as error:
            await self._log_refusal(call, error, checked.first)
            raise
        return answer

    async def stream(
        self, method: str, peer: str, request: Message, *, now: int, correlation: str
    ) -> AsyncGenerator[Message, None]:
        """Serve a call whose answers are a stream; arguments and errors as `call`. Close it in any case."""
        del correlation
        call, permit = self._begin(method, peer, now)
        try:
            permit()
            request.DiscardUnknownFields()
            validation.check(request)
            async with contextlib.aclosing(permitted(self.methods[method](call, request), permit)) as answers:
                async for answer in answers:
                    yield answer
        except (CallerError, DataLoss) as error:
            # The entry that let the first answer go said "allowed"; what ends the stream later is an entry of its own.
            call.logged = call.logged and not isinstance(error, (DataLoss, PermissionDenied))
            await self._log_refusal(call, error, request)
            raise

    def _begin(self, method: str, peer: str, now: int) -> tuple[Call, Permit]:
        self._parts.log.check()
        asked: Policy | None = None

        def permit() -> None:
            nonlocal asked
            policy = self.policy
            if policy is not asked:
                permit_call(policy, policy.caller(peer), method)
                asked = policy

        return Call(self.policy.caller(peer), method, now), permit

    async def _log_refusal(self, call: Call, error: CallerError | DataLoss, request: Message | None) -> None:
        """Log, once: what is malformed touches nothing; every other refusal, and every loss, has an entry."""
        if not call.logged and not isinstance(error, InvalidArgument):
            purpose = getattr(request, "purpose", "")
            await self._parts.journal.append(call, refusal_entry(call, error, purpose, _named(request)))

    async def gauges(self) -> list[Sample]:
        """How the vault stands, as figures.

        Raises:
            VaultError: a store cannot be read.
        """
        return await self._gauges.take()

    async def troubles(self) -> list[Trouble]:
        """Why calls cannot be served now; empty if they can."""
        return await self._troubles.look()

    async def log_refused(self, peer: str, method: str, count: int) -> None:
        """Log that calls of a caller were refused because it had reached a limit: one entry for many.

        Args:
            peer: SPIFFE ID of the caller; of the first, for certificates that the policy does not name.
            method: of the first of them.
            count: how many.

        Raises:
            VaultError: the entry could not be made durable.
        """
        call = Call(self.policy.caller(peer), method, time.time_ns() // 1_000_000)
        error = RateLimited("", after=0)
        await self._parts.journal.append(call, touched_entry(call, Touched(), error=error, counts={"refused": count}))

    async def reload_policy(self) -> None:
        """Go on under the policy that is on the disk now; calls under way end under the one that they began with.

        Raises:
            ConfigError: it is refused, and the one in force stays.
            VaultError: the store could not take the change, which can be tried again.
        """
        parts = await changed(self._parts, self._settings.vault.policy, self._owner)
        if parts is not None:
            # No call can see a half of it: nothing from here on waits.
            self._parts, self.policy, self.methods = parts, parts.policy, MappingProxyType(methods_of(parts))

    async def close(self) -> None:
        """Sign the log's end, overwrite keys, close the stores."""
        await self._upkeep.close()
        await self._parts.trail.index.close()
        await self._parts.log.close()
        if self._parts.witness:
            await self._parts.witness.close(self._parts.log)
        self._parts.keyring.close()
        await self._parts.store.close()

    async def _log_purge(self, done: Purged, now: int) -> None:
        """One entry for a round that purged, in numbers."""
        call = Call(Caller(self._owner, frozenset()), "Vault.PurgeKeys", now)
        counts = {"keys_destroyed": done.destroyed, "keys_kept": done.kept}
        await self._parts.journal.append(call, touched_entry(call, Touched(), counts=counts))


def _named(request: Message | None) -> list[RecordName]:
    """The record that a refused request named, if its name has the right form; no more than one."""
    request = getattr(request, "header", request)  # of a stream, what its first message says
    try:
        if text := getattr(request, "record_name", ""):
            return [names.parse_name(text)]
        if text := getattr(request, "customer_id", ""):
            return [names.customer_name(names.customer_id(text))]
    except InvalidArgument:
        pass
    return []
