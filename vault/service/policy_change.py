"""Another policy while calls are served: checked like at a start, and taken over between two calls.

A policy is refused as a whole, and the one in force stays: (1) for all that a start would refuse, (2) for a purpose
whose key would have to change hands, since what was sealed to it stays sealed to it, (3) for a field whose new audience
has a purpose without a key, since writes that succeed now would fail from then on. Then, in this order: the entry that
names the old and the new file by their digests, the keys that the new policy asks for, and the swap. If the entry
cannot be made durable nothing has changed, and it is tried again.

A call under way goes on with the services that it began with, whose policy never changes; the next one finds the new.
What callers pin (audiences, fingerprints) is theirs: hand out pins.json first, as `docs/production.md` has it.
"""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from vault.audit.entry import entry_bytes
from vault.crypto.hpke import Fingerprint
from vault.domain.audience import Custody, Purpose
from vault.errors import ConfigError
from vault.keyring.purposes import Pinned, PurposeKeys
from vault.policy import load as policy_file
from vault.policy.model import Caller, Policy
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.parts import Parts
from vault.service.writing import Writer
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED

ACTION: Final = "Vault.ChangePolicy"


async def changed(parts: Parts, file: Path, owner: str) -> Parts | None:
    """The parts under the policy that is on the disk now; None if that is the one in force.

    Args:
        parts: in use.
        file: policy.toml.
        owner: the vault's own name, for the entry.

    Raises:
        ConfigError: the policy is refused; which key, why, and what to do.
        VaultError: the store could not take the entry, or a key.
    """
    policy = await asyncio.to_thread(policy_file.load, file, require_keys=True)
    before = parts.policy
    if policy.digest == before.digest:
        return None
    keys, pinned = parts.keyring.purposes, pins_of(policy)
    custody = {rule.purpose: rule.custody for rule in policy.purposes.values()}
    keys.refuse(custody, pinned, str(file))
    _refuse_keyless(before, policy, keys, str(file))
    now = time.time_ns() // 1_000_000
    call = Call(Caller(owner, frozenset()), ACTION, now)
    entry = entry_bytes(
        now, owner, "", ACTION, outcome=OUTCOME_ALLOWED, policy=policy.digest, policy_before=before.digest
    )
    await parts.journal.append(call, entry)
    await keys.adopt(custody, pinned, now)
    for action, purpose in keys.events:
        call = Call(Caller(owner, frozenset()), f"Vault.{action}", now)
        await parts.journal.append(call, touched_entry(call, Touched(), purpose=purpose))
    keys.events.clear()
    audiences = {rule.field: rule.audience for rule in policy.fields.values()}
    writer = Writer(parts.store, parts.journal, parts.records, parts.keyring, audiences)
    return replace(parts, policy=policy, writer=writer)


def pins_of(policy: Policy) -> dict[Purpose, Pinned]:
    """The fingerprints that a policy names."""
    return {
        purpose: Pinned(Fingerprint(rule.current), Fingerprint(rule.next) if rule.next else None)
        for purpose, rule in policy.keys.items()
    }


def _refuse_keyless(before: Policy, policy: Policy, keys: PurposeKeys, file: str) -> None:
    for name, rule in policy.fields.items():
        old = before.fields.get(name)
        for purpose in sorted(rule.members - (old.members if old else frozenset())):
            if policy.purposes[purpose].custody is Custody.CALLER and keys.active(purpose) is None:
                why = f"{purpose} has no registered key yet, so the field could not be written: register it first"
                raise ConfigError(file, f'fields."{name}".audience', why)
