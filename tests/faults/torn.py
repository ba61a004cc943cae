"""The write-ahead logs of a server that was killed, torn: cut, zeroed or overwritten at every sector.

What was acknowledged is known, and so is the whole log, from an untorn copy. A torn copy that opens must be what the
vault was after some number of its commits: its log a prefix of the whole one, its rows exactly those of that prefix,
every signature good. What is missing then is loss; how much of it nobody was told is counted.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.abuse.digests import against_log
from tests.faults.callers import Callers, Kind
from tests.vaults import OpenVault
from vault.audit.entry import parse
from vault.cli import logs_on_disk
from vault.errors import ConfigError, DataLoss
from vault.service.settings import Settings
from vault.service.vault import Vault
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1.records_pb2 import Contact

SECTOR = 512
WALS = ("data/vault.db-wal", "keys/keys.db-wal")
WRITES = ("CreateCustomer", "PutContact", "DeleteContact")


class Tear(StrEnum):
    """What happens to a WAL at an offset."""

    CUT = "cut there"
    ZEROS = "a sector of zeros"
    NOISE = "a sector of noise"


def tear(path: Path, how: Tear, at: int) -> None:
    """Damage one sector, or all that follows."""
    raw = path.read_bytes()
    size = min(SECTOR, len(raw) - at)
    match how:
        case Tear.CUT:
            path.write_bytes(raw[:at])
        case Tear.ZEROS:
            path.write_bytes(raw[:at] + bytes(size) + raw[at + size :])
        case Tear.NOISE:
            path.write_bytes(raw[:at] + random.Random(at).randbytes(size) + raw[at + size :])


def variants(killed: Path) -> Iterator[tuple[str, Tear, int]]:
    """Every sector of both WALs, in every way."""
    for name in WALS:
        for at in range(0, (killed / name).stat().st_size, SECTOR):
            for how in Tear:
                yield name, how, at


async def work(callers: Callers, count: int) -> dict[str, str]:
    """Create, change, delete and read, one call after the other; what each customer's contact must read as."""
    names: dict[str, str] = {}
    for number in range(count):
        who = f"t{number}"
        create = customers.CreateCustomerRequest(customer_id=who, contact=Contact(name=f"First {who}", city="Bonn"))
        assert (await callers.send("storefront", "CustomerService.CreateCustomer", create)).kind is Kind.DONE
        names[who] = f"First {who}"
        if number % 2:
            put = contacts.PutContactRequest(customer_id=who, contact=Contact(name=f"Second {who}", city="Bonn"))
            assert (await callers.send("storefront", "ContactService.PutContact", put)).kind is Kind.DONE
            names[who] = f"Second {who}"
        get = contacts.GetContactRequest(customer_id=who, purpose="service_provisioning")
        assert (await callers.send("provisioning", "ContactService.GetContact", get)).kind is Kind.DONE
    gone = contacts.DeleteContactRequest(customer_id="t0")
    assert (await callers.send("care", "ContactService.DeleteContact", gone)).kind is Kind.DONE
    del names["t0"]
    return names


@dataclass(frozen=True, slots=True)
class Torn:
    """What a torn copy is like once it is opened."""

    refused: str = ""
    kept: int = 0
    """Entries of the whole log that are there."""
    lost_writes: int = 0
    wrong: tuple[str, ...] = ()


@dataclass(slots=True)
class Tally:
    """Many torn copies."""

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    whole: int = 0
    untold: Counter[int] = field(default_factory=Counter)
    """Copies that opened without some writes that were acknowledged, by how many."""
    wrong: list[str] = field(default_factory=list)

    def add(self, where: str, how: Tear, torn: Torn) -> None:
        """Count one."""
        self.tried[how.value] += 1
        if torn.refused:
            self.refused[torn.refused] += 1
        elif torn.lost_writes:
            self.untold[torn.lost_writes] += 1
        else:
            self.whole += 1
        self.wrong += [f"{where}: {each}" for each in torn.wrong]

    def line(self) -> str:
        """The figures."""
        return (
            f"{self.tried.total()} torn WALs, violations {len(self.wrong)}: {self.whole} opened with every "
            f"acknowledged write, {self.refused.total()} refused, {self.untold.total()} opened as before the last "
            f"second, without {max(self.untold, default=0)} acknowledged writes at most"
        )


@dataclass(frozen=True, slots=True)
class Killed:
    """A vault whose server was killed."""

    home: Path
    names: dict[str, str]
    log: list[bytes]
    noted: int
    """Entries that the key store knew of."""

    async def examine(self, home: Path) -> Torn:
        """Open a torn copy and look at all of it."""
        ended: list[str] = []
        try:
            vault = await Vault.open(Settings.load(home / "vault.toml"), fatal=ended.append)
        except (ConfigError, DataLoss) as error:
            return Torn(refused=str(error).replace(str(home), ""))
        except Exception as error:  # noqa: BLE001 - no refusal
            return Torn(wrong=(f"{type(error).__name__}: {error}",))
        wrong: list[str] = []
        try:
            opened = OpenVault(vault, home)
            kept, lost = self._log(await opened.entries(), wrong)
            if not lost:
                await self._read(opened, wrong)
        finally:
            await vault.close()
        wrong += [*ended, *against_log(home)]
        keys = logs_on_disk.pinned_logs(home / "pins.json")
        found = [each.verify({}) for each in logs_on_disk.logs_to_verify(logs_on_disk.data_file(home), keys)]
        wrong += [str(report.finding) for report in found if report.finding]
        return Torn(kept=kept, lost_writes=lost, wrong=tuple(wrong))

    def _log(self, entries: list[bytes], wrong: list[str]) -> tuple[int, int]:
        """How much of the whole log is there, and how many writes are missing."""
        kept = 0
        while kept < min(len(entries), len(self.log)) and entries[kept] == self.log[kept]:
            kept += 1
        if any(not parse(entry).action.startswith("Vault.") for entry in entries[kept:]):
            wrong.append(f"the log goes on after entry {kept} with what never was")
        if kept < self.noted:
            wrong.append(f"opened with {kept} entries, though the key store had noted {self.noted}")
        return kept, sum(parse(entry).action.endswith(WRITES) for entry in self.log[kept:])

    async def _read(self, vault: OpenVault, wrong: list[str]) -> None:
        request = contacts.BatchGetContactsRequest(customer_ids=list(self.names), purpose="service_provisioning")
        response = await vault.call("provisioning", "ContactService.BatchGetContacts", request)
        for (who, name), result in zip(self.names.items(), response.results, strict=True):
            if result.contact.name != name:
                wrong.append(f"{who} reads as {result.contact.name!r} {result.error.message}")


async def whole(killed: Path, scratch: Path, names: dict[str, str]) -> Killed:
    """Open an untorn copy: the log as it was when the server was killed."""
    home = fresh(killed, scratch)
    noted = logs_noted(home)
    vault = await Vault.open(Settings.load(home / "vault.toml"), fatal=list[str]().append)
    try:
        log = await OpenVault(vault, home).entries()
    finally:
        await vault.close()
    starts = [index for index, entry in enumerate(log) if parse(entry).action == "Vault.Start"]
    return Killed(killed, names, log[: starts[-1]], noted)


def logs_noted(home: Path) -> int:
    """The log's size as the key store knows it; reading it leaves the copy as a recovery does."""
    from tests.abuse import disk  # noqa: PLC0415 - used here alone

    return int(disk.rows(home / disk.KEYS, "log_sizes")[0][1])


def fresh(killed: Path, scratch: Path) -> Path:
    """A copy to be torn."""
    if scratch.exists():
        shutil.rmtree(scratch)
    return shutil.copytree(killed, scratch)
