"""What must hold after any fault, looked at from outside: in the files, in the log, and as callers see it.

Nothing here asks the server what it did. The rows of the data file are compared with the model record by record, the
log with the rows by digests, and the log with its own signatures by the verifier that users have.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.abuse import digests, disk
from tests.faults.deeds import NEW, Customer, Deed, Records, fits
from vault.audit.entry import parse
from vault.cli.logs_on_disk import data_file, logs_to_verify, pinned_logs
from vault.client import BillingClient, OpenedCard, OpenedContact, ProvisioningClient, StorefrontClient, settings
from vault.client.records import NewCustomer
from vault.errors import AlreadyExists, NotFound
from vault.v1.status_pb2 import REASON_ERASED

BATCH = 500


@dataclass(slots=True)
class Toll:
    """What was tried, and every way in which a promise was broken."""

    tried: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not there, or without its entry."""
    torn: list[str] = field(default_factory=list)
    """There in part, not to be opened, or a log that does not verify."""
    twice: list[str] = field(default_factory=list)
    """A second effect of a request_id."""

    @property
    def found(self) -> list[str]:
        """All of it."""
        return [*self.lost, *self.torn, *self.twice]

    def __str__(self) -> str:
        """One line of figures."""
        tried = ", ".join(f"{what} {count:,}" for what, count in sorted(self.tried.items()))
        return f"{tried}; lost {len(self.lost)}, torn {len(self.torn)}, duplicates {len(self.twice)}"


@dataclass(frozen=True, slots=True)
class Entries:
    """What the log says of writes."""

    effects: Counter[str]
    """Of each request_id: entries that say that something was written or taken out."""
    erasures: set[str]
    """Request ids of erasures."""
    finished: int
    """Erasures that a start finished."""


def records(home: Path) -> dict[str, Records]:
    """Every row: owner to record names and etags."""
    found: dict[str, Records] = {}
    for owner, name, key_id, *_ in disk.rows(home / disk.DATA, "records"):
        found.setdefault(owner, {})[name] = key_id.hex()
    return found


def entries(home: Path) -> Entries:
    """Read the log."""
    found = Entries(Counter(), set(), 0)
    finished = 0
    for row in disk.rows(home / disk.DATA, "log_entries"):
        entry = parse(row[2])
        finished += entry.action == "Vault.FinishErasure"
        if entry.request and entry.action.endswith("EraseCustomer"):
            found.erasures.add(entry.request)
        elif entry.request and any([*entry.written, *entry.replaced]):
            found.effects[entry.request] += 1
    return replace(found, finished=finished)


def verify(home: Path, toll: Toll) -> None:
    """The log is what was signed, and the rows are what the log says."""
    for log in logs_to_verify(data_file(home), pinned_logs(home / "pins.json")):
        report = log.verify({})
        if not report.ok:
            toll.torn.append(f"the log: {report.finding}")
    toll.torn += digests.against_log(home)


async def erasures_finished(home: Path) -> None:
    """An erasure that met a full disk after its keys is finished by the server itself, a little later: wait for it."""
    for _ in range(100):
        keys, data = ({row[0] for row in disk.rows(home / file, "tombstones")} for file in (disk.KEYS, disk.DATA))
        if keys == data:
            return
        await asyncio.sleep(0.1)


def unsettled(home: Path, toll: Toll, pending: Sequence[Deed]) -> None:
    """Each deed without an answer is whole or absent, and has an entry if and only if it is there."""
    found, log = records(home), entries(home)
    erased = {row[0] for row in disk.rows(home / disk.KEYS, "tombstones")}
    without_entry = 0
    for deed in pending:
        there, who = found.get(deed.customer.name, {}), deed.customer
        if deed.erases:
            gone = who.name in erased
            whole = fits({} if gone else who.records, there)
            without_entry += gone and deed.request_id not in log.erasures
        else:
            whole = deed.fits(there) if log.effects[deed.request_id] else fits(who.records, there)
        if not whole:
            toll.torn.append(f"{deed.method}: neither done nor not done, or not as its entry says")
    if without_entry > log.finished:
        toll.lost.append(f"{without_entry} erasures without an entry")


def settled(home: Path, toll: Toll, everybody: Iterable[Customer], done: Iterable[Deed]) -> None:
    """The rows are those of the model, to the version, and each acknowledged write has its one entry."""
    found, log = records(home), entries(home)
    tombstones = [{row[0] for row in disk.rows(home / file, "tombstones")} for file in (disk.DATA, disk.KEYS)]
    keys = Counter(row[0] for row in disk.rows(home / disk.KEYS, "key_places"))
    for who in everybody:
        there = found.pop(who.name, {})
        for name in who.records:
            if who.records[name] == NEW and name in there:
                who.records[name] = there[name]  # the answer did not say it
        if there != who.records:
            toll.lost.append(f"{who.name}: its records are not those acknowledged")
        if who.erased and (keys[who.name] or any(who.name not in each for each in tombstones)):
            toll.lost.append(f"{who.name}: erased, and not wholly")
    toll.torn += [f"{owner}: nobody wrote this" for owner in found]
    for deed in done:
        count = log.effects[deed.request_id]
        if deed.erases:
            count = int(deed.request_id in log.erasures)
        if count == 0:
            toll.lost.append(f"{deed.method}: acknowledged and not in the log")
        if count > 1:
            toll.twice.append(f"{deed.method}: {count} effects")


async def read_all(home: Path, toll: Toll, everybody: Sequence[Customer]) -> None:
    """Every value is what was written last, and whoever was erased is gone, as callers see it.

    These clients remember the log's checkpoints across all kills: a log that shrank or forked fails their next call.
    """
    values = {name: value for who in everybody for name, value in who.values.items()}
    async with ProvisioningClient(_watchful(home, "provisioning")) as provisioning:
        holders = [who.customer_id for who in everybody if f"{who.name}/contact" in who.values]
        for part in _parts(holders):
            for customer_id, contact in zip(part, await provisioning.batch_get_contacts(part), strict=True):
                value = contact.name if isinstance(contact, OpenedContact) else repr(contact)
                _compare(toll, values, f"customers/{customer_id}/contact", value)
        erased = [who.customer_id for who in everybody if who.erased]
        for part in _parts(erased):
            found = await provisioning.batch_get_contacts(part)
            toll.lost += ["an erased customer is read" for each in found if not isinstance(each, NotFound)]
    async with BillingClient(_watchful(home, "billing")) as billing:
        for part in _parts([name for name in values if "/cards/" in name]):
            for name, card in zip(part, await billing.batch_get_cards(part), strict=True):
                _compare(toll, values, name, card.last_four if isinstance(card, OpenedCard) else repr(card))
    await _never_again(home, erased[-2:])


async def _never_again(home: Path, erased: Sequence[str]) -> None:
    async with StorefrontClient(_watchful(home, "storefront")) as storefront:
        for customer_id in erased:
            with pytest.raises(AlreadyExists) as refused:
                await storefront.create_customer(NewCustomer(customer_id))
            assert refused.value.reason == REASON_ERASED


def _compare(toll: Toll, values: dict[str, str], name: str, value: str) -> None:
    if values[name] != value:
        toll.lost.append(f"{name}: reads as something else: {value}")


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + BATCH] for start in range(0, len(names), BATCH)]


def _watchful(home: Path, role: str) -> settings.Settings:
    return replace(settings.load(home / "callers" / role), state=home / f"witness-{role}.json")
