"""A vault whose files somebody damaged, opened and read back whole: what became of each record?

The vault is opened in this process, which is a start like any other, and everything is read through its calls, with
every cache empty. Then the log is verified offline. The files are put back before the next damage.
"""

import shutil
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.abuse.billing import Billing
from tests.abuse.tampered import Reading, Truth
from tests.vaults import OpenVault
from vault.cli import logs_on_disk
from vault.errors import ConfigError, DataLoss, NotFound, OpenError, PermissionDenied, VaultError
from vault.service.settings import Settings
from vault.service.vault import Vault


class Seen(StrEnum):
    """What a damage led to, as whoever looks after the vault sees it."""

    UNTOUCHED = "nothing to see: all records right"
    LOST = "DATA_LOSS for the records hit, the others served"
    HIDDEN = "a record is not found"
    DENIED = "calls refused by the policy"
    REFUSED = "refused at start"
    STOPPED = "stopped while serving"


@dataclass(slots=True)
class Outcome:
    """What became of one damage."""

    seen: Seen
    said: str = ""
    """What a start or a stop was refused with."""
    lost: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Served, and not the truth; or an error that is none of ours."""
    log_finding: bool = False


@dataclass(slots=True)
class Patient:
    """A closed vault, what it must read as, and a copy of it to be damaged."""

    healthy: Path
    home: Path
    truth: Truth

    def reset(self) -> None:
        """Put all files back."""
        if self.home.exists():
            shutil.rmtree(self.home)
        shutil.copytree(self.healthy, self.home)

    async def examine(self) -> Outcome:
        """Open, read everything, close, verify the log."""
        ended: list[str] = []
        try:
            vault = await Vault.open(Settings.load(self.home / "vault.toml"), fatal=ended.append)
        except (ConfigError, DataLoss, OpenError) as error:
            return Outcome(Seen.REFUSED, f"{type(error).__name__}: {error}", log_finding=self._log_finding())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no refusal
            return Outcome(Seen.REFUSED, wrong=[f"the start failed with {type(error).__name__}: {error}"])
        try:
            outcome = await self._read(OpenVault(vault, self.home))
        finally:
            await vault.close()
        if ended:
            outcome.seen, outcome.said = Seen.STOPPED, ended[0]
        outcome.log_finding = self._log_finding()
        return outcome

    async def _read(self, vault: OpenVault) -> Outcome:
        reading = Reading(vault, self.truth, Billing(self.healthy))
        try:
            found = await reading.everything()
        except Exception as error:  # noqa: BLE001 - a call ended with what no caller may see
            return Outcome(Seen.STOPPED, wrong=[f"reading failed with {type(error).__name__}: {error}"])
        outcome, denied = Outcome(Seen.UNTOUCHED), 0
        for name, got in found.values.items():
            if isinstance(got, PermissionDenied):
                denied += 1
            elif isinstance(got, (DataLoss, OpenError)):
                outcome.lost.append(name)
            elif isinstance(got, NotFound):
                outcome.hidden.append(name)
            elif got != self.truth.values[name]:
                outcome.wrong.append(f"{name}: {got!r}")
        outcome.seen = (outcome.hidden and Seen.HIDDEN) or (outcome.lost and Seen.LOST) or outcome.seen
        if denied and outcome.seen is Seen.UNTOUCHED:
            outcome.seen = Seen.DENIED
        return outcome

    def _log_finding(self) -> bool:
        """Whether `audit verify` has something against the log."""
        try:
            file = logs_on_disk.data_file(self.home)
            keys = logs_on_disk.pinned_logs(self.healthy / "pins.json")
            return any(not log.verify({}).ok for log in logs_on_disk.logs_to_verify(file, keys))
        except VaultError:
            return True


@dataclass(slots=True)
class Tally:
    """Many damages, counted by what was hit and what came of it."""

    counts: Counter[tuple[str, Seen]] = field(default_factory=Counter)
    log_findings: int = 0
    records_lost: Counter[int] = field(default_factory=Counter)
    """How many damages cost how many records."""
    said: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def add(self, what: str, where: str, outcome: Outcome) -> None:
        """Count one; `what` is a kind of file, `where` names the damage."""
        self.counts[what, outcome.seen] += 1
        self.log_findings += outcome.log_finding
        self.records_lost[len(outcome.lost)] += 1
        if outcome.said:
            self.said[outcome.said] += 1
        self.wrong += [f"{where}: {each}" for each in outcome.wrong]
        self.hidden += [f"{where}: {each}" for each in outcome.hidden]

    def lines(self) -> list[str]:
        """The figures."""
        by_seen: Counter[Seen] = Counter()
        for (_, seen), count in self.counts.items():
            by_seen[seen] += count
        lines = [
            f"{self.counts.total()} damages: "
            + ", ".join(f"{count} {seen.value}" for seen, count in by_seen.most_common())
            + f"; silently wrong {len(self.wrong)}; the log's verifier found {self.log_findings}"
        ]
        for what in sorted({what for what, _ in self.counts}):
            found = {seen: count for (kind, seen), count in self.counts.items() if kind == what}
            lines.append(f"{what}: " + ", ".join(f"{count} {seen.name}" for seen, count in sorted(found.items())))
        return lines
