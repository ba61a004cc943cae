"""Logs that a restore cut short: closed for good, and each followed by a log of another name.

A data store that was put back has a shorter log than callers have seen. If it went on, its key would sign a second root
for sizes that were signed before: a fork, which nobody could tell from an attack, and which every caller that remembers
would refuse for ever. So the log ends where the backup ends, and another one, with a key and an origin of its own,
begins. No caller believes that one until the operator has handed out its key: a restore cannot happen behind their
backs, and after it nothing that was ever signed is contradicted.

The mark of a closed log is a system row: who has no vault key can neither set nor undo it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from vault.crypto.vault_key import RowName
from vault.errors import ConfigError
from vault.keyring.keyring import LOG_KEY
from vault.keyring.system_rows import SYSTEM, SystemRows
from vault.store.v1.system_pb2 import ClosedLog

_PREFIX: Final = "closed-logs/"


@dataclass(frozen=True, slots=True)
class Closing:
    """A log that is to be closed."""

    log_id: str
    size: int
    """Entries that are there."""
    published: int
    """Entries that were signed, as far as anything here knows."""
    next_log_id: str


@dataclass(frozen=True, slots=True)
class Logs:
    """Which logs are to be closed, and which one goes on."""

    target: str
    closing: tuple[Closing, ...]


async def closed(rows: SystemRows, log_id: str) -> ClosedLog | None:
    """The mark of a log, if it was closed."""
    found = await rows.get(SYSTEM, _PREFIX + log_id)
    return ClosedLog.FromString(found[1]) if found else None


async def refuse_closed(rows: SystemRows, log_id: str) -> None:
    """Refuse to go on with a closed log.

    Raises:
        ConfigError: says which one to set.
    """
    mark = await closed(rows, log_id)
    if mark is not None:
        why = f'ended with a restore: set it to "{mark.next_log_id}", and give callers pins with that log\'s key'
        raise ConfigError("vault.toml", "vault.log_id", why)


async def decide(
    rows: SystemRows,
    slot: str,
    sizes: Mapping[str, int],
    published: Mapping[str, int],
    *,
    cut: bool,
    pinned: Collection[str] = (),
) -> Logs:
    """Which logs end, and which one this vault goes on with.

    Args:
        rows: of the key store.
        slot: the log_id of vault.toml.
        sizes: entries of each log that are there.
        published: entries of each log that were signed, where more are known of than are there.
        cut: whether the operator says that entries are missing, though nothing here shows it.
        pinned: logs that callers know, whose names are not to be used again.
    """
    marks = {log: await closed(rows, log) for log in {*sizes, *published, slot}}
    target = slot
    while (mark := marks.get(target) or await closed(rows, target)) is not None:
        target = mark.next_log_id
    ending = {log for log in published if marks.get(log) is None}
    # Without its key nothing can be added to a log that has begun.
    if cut or (sizes.get(target) and await rows.get(LOG_KEY, target) is None):
        ending.add(target)
    taken = {*marks, *sizes, *published, *pinned, target} | {mark.next_log_id for mark in marks.values() if mark}
    closing = []
    for log in sorted(ending):
        following = next_id(log, taken)
        taken.add(following)
        closing.append(Closing(log, sizes.get(log, 0), max(published.get(log, 0), sizes.get(log, 0)), following))
    return Logs(next((c.next_log_id for c in closing if c.log_id == target), target), tuple(closing))


async def close(rows: SystemRows, closing: Closing, now: int) -> None:
    """Set the mark, durably."""
    before = await rows.get(SYSTEM, _PREFIX + closing.log_id)
    mark = ClosedLog(
        size=closing.size, published_size=closing.published, close_time=now, next_log_id=closing.next_log_id
    )
    name = RowName(SYSTEM, _PREFIX + closing.log_id, before[0] + 1 if before else 1)
    await rows.add([(name, mark.SerializeToString(deterministic=True))])


def next_id(log_id: str, taken: Collection[str]) -> str:
    """log-0 is followed by log-1."""
    found = re.fullmatch(r"(.*?)(\d{1,9})", log_id)
    stem, number = (found[1], int(found[2])) if found else (f"{log_id}-", 0)
    while f"{stem}{number}" in taken or f"{stem}{number}" == log_id:
        number += 1
    return f"{stem}{number}"
