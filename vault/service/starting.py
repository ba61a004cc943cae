"""What one process opens, in this order: stores, keys, log, what uses them; and what a crash left is finished first.

Nothing is served before: an erasure that was cut short is done to its end, the chunks of broken uploads go, and the log
says that the vault started, under which policy. Only then do the process's own epochs and its clock begin to write to
the log as well.
"""

import contextlib
import time
from collections.abc import Callable, Sequence

from vault.audit.entry import digest_of, entry_bytes
from vault.audit.log import AuditLog, origin_of
from vault.crypto.note import LogKey
from vault.domain.names import Owner, RecordName
from vault.errors import VaultError
from vault.keyring.keyring import Keyring
from vault.policy.model import Caller, Policy
from vault.service.call import Call
from vault.service.clock import Clock, confirmation_beside
from vault.service.closing import refuse_closed
from vault.service.entries import NO_DIGEST, Touched, new_subject, touched_entry
from vault.service.holds import Holds
from vault.service.log_index import LogIndex
from vault.service.opening import Records
from vault.service.orders import Orders
from vault.service.parts import Parts
from vault.service.places import place_of
from vault.service.policy_change import pins_of
from vault.service.reading import Reader
from vault.service.retention import Retention
from vault.service.root_key import root_key_provider
from vault.service.settings import Settings
from vault.service.trail import Trail
from vault.service.witness import Witness
from vault.service.writing import Journal, Writer
from vault.storage.port import Row, Storage
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED


def owner_of(settings: Settings) -> str:
    """In whose name the vault itself acts."""
    return f"spiffe://{settings.vault.trust_domain}/vault"


async def started(settings: Settings, policy: Policy, store: Storage, fatal: Callable[[str], None]) -> Parts:
    """Open keys and log over open stores, and finish what a crash cut short; arguments and errors as `Vault.open`."""
    now = time.time_ns() // 1_000_000
    domain, log_id = settings.vault.trust_domain, settings.vault.log_id
    owner = owner_of(settings)
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
    parts = await _over(settings, policy, store, keyring, log, witness)
    await finish_erasures(store, log_id, Call(Caller(owner, frozenset()), "Vault.FinishErasure", now))
    with contextlib.suppress(VaultError):  # a full disk: the upkeep tries again
        await store.sweep_chunks()
    await _announce(parts, owner, now)
    return parts


async def _over(
    settings: Settings, policy: Policy, store: Storage, keyring: Keyring, log: AuditLog, witness: Witness | None
) -> Parts:
    """What uses stores, keys and log."""
    records = Records(store, keyring.vault_keys)
    journal = Journal(store, settings.vault.log_id, keyring.vault_keys)
    writer = Writer(store, journal, records, keyring, {f.field: f.audience for f in policy.fields.values()})
    reader = Reader(records, keyring, journal)
    clock = Clock(store, confirmation_beside(settings.storage.data))
    await clock.start()
    trail = Trail(store, LogIndex(store, await keyring.log_index_key(), keyring.vault_id))
    orders = Orders(keyring.rows, trail, journal)
    holds = Holds(orders, records)
    retention = Retention(store, records, journal, owner_of(settings), policy.retention.visits)
    retention.holds = holds
    return Parts(
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
        trail,
        witness,
        settings.mail.max_message_bytes,
    )


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
