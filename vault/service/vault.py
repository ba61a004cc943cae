"""Everything of one process, opened together, and the way of a call.

Order of opening: settings, policy, stores, keys, log; of closing: the reverse. A call is authorized before its request
is looked at (AIP-211), then its shape is checked, then it is served. Whatever is refused is in the log before the
refusal leaves: a caller who tries doors leaves a trace at each.
"""

import contextlib
import inspect
import os
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from google.protobuf.message import Message

from vault.audit.entry import digest_of, entry_bytes
from vault.audit.log import AuditLog, origin_of
from vault.crypto.note import LogKey
from vault.domain import names
from vault.domain.names import Owner, RecordName
from vault.domain.secret import Secret
from vault.errors import CallerError, ConfigError, DataLoss, InvalidArgument, PermissionDenied, RateLimited, VaultError
from vault.keyring.keyring import Keyring
from vault.keyring.root import FileProvider, RootKeyProvider
from vault.policy import load as policy_file
from vault.policy.decide import permit_call
from vault.policy.model import Caller, Policy
from vault.service import validation
from vault.service.accounts import Accounts
from vault.service.call import Call
from vault.service.clock import Clock, confirmation_beside
from vault.service.closing import refuse_closed
from vault.service.contacts import Contacts
from vault.service.customers import Customers
from vault.service.disclosures import Disclosures
from vault.service.entries import NO_DIGEST, Touched, new_subject, refusal_entry, touched_entry
from vault.service.expiries import Expiries
from vault.service.gauges import Gauges, Sample
from vault.service.holds import Holds
from vault.service.keys import Keys
from vault.service.logs import Logs
from vault.service.mail import Mail
from vault.service.opening import Records
from vault.service.ordering import Ordering
from vault.service.orders import Orders
from vault.service.parts import Parts
from vault.service.payments import Payments
from vault.service.places import place_of
from vault.service.policies import Policies
from vault.service.policy_change import changed, pins_of
from vault.service.reading import Reader
from vault.service.retention import Retention
from vault.service.settings import RootKeySettings, Settings
from vault.service.streaming import Permit, Requests, permitted
from vault.service.troubles import Trouble, Troubles
from vault.service.upkeep import DAY_MS, Upkeep
from vault.service.visitors import Visitors
from vault.service.witness import Witness
from vault.service.writing import Journal, Writer
from vault.storage.port import Purged, Row, Storage
from vault.storage.sqlite import SqliteStorage
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED

Handler = Callable[[Call, Any], Any]
"""A coroutine, or an asynchronous generator for a method whose answers are a stream."""

_SERVICES: Mapping[str, Callable[[Parts], object]] = {
    "CustomerService": Customers,
    "ContactService": Contacts,
    "PaymentService": Payments,
    "MailService": Mail,
    "DisclosureService": Disclosures,
    "KeyService": Keys,
    "PolicyService": Policies,
    "AccountService": Accounts,
    "AuditService": Logs,
    "RetentionService": Expiries,
    "VisitorService": Visitors,
    "OrderService": Ordering,
}


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
        self.methods: Mapping[str, Handler] = MappingProxyType(_methods(parts))

    @classmethod
    async def open(cls, settings: Settings, *, fatal: Callable[[str], None]) -> "Vault":
        """Open stores, keys and log.

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
            return await cls._open(settings, policy, store, fatal)
        except BaseException:
            await store.close()
            raise

    @classmethod
    async def _open(cls, settings: Settings, policy: Policy, store: Storage, fatal: Callable[[str], None]) -> "Vault":
        now = time.time_ns() // 1_000_000
        domain, log_id = settings.vault.trust_domain, settings.vault.log_id
        owner = f"spiffe://{domain}/vault"
        keyring = await Keyring.open(
            store,
            root_key_provider(settings.root_key),
            owner=owner,
            custody={p.purpose: p.custody for p in policy.purposes.values()},
            pinned=pins_of(policy),
            now=now,
        )
        await refuse_closed(keyring.rows, log_id)
        _, seed = await keyring.log_seed(log_id)
        origin = origin_of(domain, log_id)
        # SQLite admits one process, so the lease's holder may be the slot itself: a restart need not wait for it.
        log = AuditLog(store, log_id, origin, LogKey(seed), log_id, fatal=lambda error: fatal(str(error)))
        witness = _witness(settings, keyring)
        await log.start(await witness.expected(log.public_key) if witness else None)
        records = Records(store, keyring.vault_keys)
        journal = Journal(store, log_id, keyring.vault_keys)
        writer = Writer(store, journal, records, keyring, {f.field: f.audience for f in policy.fields.values()})
        reader = Reader(records, keyring, journal)
        clock = Clock(store, confirmation_beside(settings.storage.data))
        await clock.start()
        orders = Orders(keyring.rows, store, journal)
        holds = Holds(orders, records)
        retention = Retention(store, records, journal, owner)
        retention.holds = holds
        parts = Parts(
            policy,
            keyring,
            store,
            records,
            reader,
            writer,
            journal,
            log,
            clock,
            retention,
            orders,
            holds,
            witness,
            settings.mail.max_message_bytes,
        )
        await finish_erasures(store, log_id, Call(Caller(owner, frozenset()), "Vault.FinishErasure", now))
        with contextlib.suppress(VaultError):  # a full disk: the upkeep tries again
            await store.sweep_chunks()
        await _announce(parts, owner, now)
        vault = cls(parts, settings, owner)
        vault._upkeep.start()
        if witness:
            witness.start(log)
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
        return Call(self.policy.caller(peer), method, now), lambda: permit_call(
            self.policy, self.policy.caller(peer), method
        )

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
            self._parts, self.policy, self.methods = parts, parts.policy, MappingProxyType(_methods(parts))

    async def close(self) -> None:
        """Sign the log's end, overwrite keys, close the stores."""
        await self._upkeep.close()
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


async def finish_erasures(store: Storage, log_id: str, call: Call) -> int:
    """Finish the erasures that a crash cut short, or that one restored store lacks; how many these were.

    Whose pseudonym it was, nobody can tell any more. The digests of the rows that go say which records these were, to
    who verifies the rows by the log.
    """

    def finish(owner: Owner, rows: Sequence[Row]) -> bytes:
        touched, subject = Touched(), new_subject()
        went = [(row.record_name, digest_of(row.stored)) for row in rows] or [(RecordName(owner), NO_DIGEST)]
        for name, digest in went:
            touched.wrote(subject, name, NO_DIGEST, digest)
        return touched_entry(call, touched)

    return len(await store.finish_erasures(log_id, finish))


async def _announce(parts: Parts, owner: str, now: int) -> None:
    """Log the start, its key events; from now on its own epochs, and what the clock holds back."""
    journal, keyring = parts.journal, parts.keyring

    async def log(action: str, purpose: str, at: int) -> None:
        call = Call(Caller(owner, frozenset()), f"Vault.{action}", at)
        await journal.append(call, touched_entry(call, Touched(), purpose=purpose))

    async def published(_audience: str, at: int) -> None:
        await log("PublishEpoch", "", at)

    async def changed(action: str, at: int) -> None:
        await log(action, "", at)

    # With the policy that is in force, so that the log says which one was when.
    start = entry_bytes(now, owner, "", "Vault.Start", outcome=OUTCOME_ALLOWED, policy=parts.policy.digest)
    await journal.append(Call(Caller(owner, frozenset()), "Vault.Start", now), start)
    if parts.witness and (reason := parts.witness.accepted_loss):
        call = Call(Caller(owner, frozenset()), "Vault.AcceptWitnessLoss", now)
        await journal.append(call, touched_entry(call, Touched(), note=reason))
    for action, purpose in keyring.purposes.events:
        await log(action, purpose, now)
    keyring.purposes.events.clear()
    keyring.sealing.announce = published
    parts.clock.announce = changed


def _witness(settings: Settings, keyring: Keyring) -> Witness | None:
    if settings.witness is None:
        return None
    place = place_of(settings.witness, settings.root_key.passphrase_env)
    vault = settings.vault
    return Witness(place, keyring.rows, vault.trust_domain, vault.log_id, settings.witness.every_seconds)


def root_key_provider(settings: RootKeySettings) -> RootKeyProvider:
    """The provider that the settings name, with its passphrase.

    Raises:
        ConfigError: the passphrase is not where it should be.
    """
    if settings.passphrase_file is not None:
        try:
            text = settings.passphrase_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise ConfigError(str(settings.passphrase_file), "", f"cannot be read ({error.strerror})") from None
        return FileProvider(settings.path, Secret(text))
    if settings.passphrase_env is not None:
        text = os.environb.get(settings.passphrase_env.encode(), b"")
        if not text:
            raise ConfigError("environment", settings.passphrase_env, "is not set; it must hold the passphrase")
        return FileProvider(settings.path, Secret(text))
    return FileProvider(settings.path)


def _methods(parts: Parts) -> dict[str, Handler]:
    """Every public coroutine or asynchronous generator of a service serves the method of its name.

    `get_card` of Payments is PaymentService.GetCard. Which of them stream, and in which direction, the .proto says.
    """
    found: dict[str, Handler] = {}
    for name, service in _SERVICES.items():
        for attribute, handler in inspect.getmembers(service(parts), _serves):
            if not attribute.startswith("_"):
                found[f"{name}.{re.sub(r'(?:^|_)([a-z])', lambda m: m[1].upper(), attribute)}"] = handler
    return found


def _serves(member: object) -> bool:
    return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)


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
