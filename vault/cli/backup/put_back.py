"""A restore from beginning to end: check the backups, look, ask, put them in place, repair, open once.

The vault's lock is held from the first look to the last write, so that no server starts in between. Everything that can
refuse (a damaged copy, another vault's, a wrong root key) comes before the question, and the question before anything
is written.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vault.cli import logs_on_disk
from vault.cli.backup import announce, manifest
from vault.cli.backup.progress import Step
from vault.cli.deployment.layout import Layout
from vault.errors import ConfigError, DataLoss
from vault.service import restoring
from vault.service.missing import Missing
from vault.service.restoring import Done, Plan
from vault.service.settings import Settings
from vault.storage import backup, replace
from vault.storage.sqlite.startup import Lock
from vault.storage.sqlite.survey import Survey, joined


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator asks for."""

    layout: Layout
    config: Path
    data: Path | None
    """A backup of the data store to be put in place."""
    keys: Path | None
    longer: Path | None
    """A longer copy of the log."""
    cut: bool


@dataclass(slots=True)
class Told:
    """What is told of a restore, before and after."""

    needed: bool
    keys_behind: bool
    cut_logs: list[tuple[str, int, int]]
    """(log, entries that were signed, entries that are left)"""
    rows: int
    revivable: int
    lost: list[str]
    """Records that are gone: nothing opens them any more, or their only version was written after the backup."""
    older: list[str]
    """Records of which an older version is back."""
    deleted: list[str]
    """Records that were deleted since the backup; they stay deleted."""
    erasures: int
    actions: dict[str, int]
    """Writes that only the longer log knows of."""
    erase_again: int
    delete_again: int
    counts: dict[str, int] = field(default_factory=dict)
    log_id: str = ""
    origin: str = ""
    public_key: str = ""
    kept: list[str] = field(default_factory=list)
    next_steps: list[str] = field(default_factory=list)

    def losses(self) -> Mapping[str, list[str]]:
        """Lists of names, by what happens to them."""
        return {
            "LOST, no version is left": self.lost,
            "LOST, an older version is back": self.older,
            "deleted since the backup, and stay deleted": self.deleted,
        }

    def document(self) -> dict[str, object]:
        """For programs."""
        return asdict(self)


def restore(wish: Wish, agree: Callable[[Told], bool], step: Step) -> Told:
    """Restore; `agree` is asked before anything is written, and may raise.

    Raises:
        ConfigError: a file is not what it should be; says which and why.
        DataLoss: one is damaged.
    """
    settings = Settings.load(wish.config)
    lock = Lock(settings.storage.keys)
    try:
        files = _files(wish, settings, step)
        step("looking through both stores", 0, 0)
        with joined(*files, look_through=True) as look:
            survey = look.survey(*files)
        pinned = [origin.rpartition("/")[2] for origin in logs_on_disk.pinned_logs(wish.layout.pins)]
        missing = _missing(wish.longer, wish.layout.pins, survey) if wish.longer else Missing()
        planned = asyncio.run(
            restoring.plan(settings, survey, *files, cut=wish.cut, longer=missing.longer, pinned=pinned)
        )
        told = _told(planned, missing)
        if not agree(told):
            return told
        for source, live in ((wish.data, settings.storage.data), (wish.keys, settings.storage.keys)):
            if source is not None:
                step(f"putting back {live.name}", 0, 0)
                replace.put_back(source, live)
        done = None
        if planned.needed or missing:
            step("repairing", 0, 0)
            done = asyncio.run(restoring.run(settings, planned, missing))
    finally:
        lock.release()
    erased = asyncio.run(restoring.open_once(settings, done.log_id if done else settings.vault.log_id))
    told.counts = (done.counts if done else {}) | {"erasures_finished": erased}
    stores = (settings.storage.data, settings.storage.keys)
    told.kept = [str(replace.aside(live)) for live in stores if replace.aside(live).exists()]
    if done:
        _announce(wish, settings, done, told)
    return told


def _files(wish: Wish, settings: Settings, step: Step) -> tuple[Path, Path]:
    """The two files that are, or are going to be, the stores."""
    for file, store in ((wish.data, backup.DATA), (wish.keys, backup.KEYS)):
        if file is None:
            continue
        if not file.is_file():
            raise ConfigError(str(file), "", "is not a file")
        said = manifest.load(file)
        if said is not None and backup.digest(file, lambda done, total: step("digest", done, total)) != said.sha256:
            raise DataLoss(f"{file}: is not what its manifest says: the copy is damaged or was cut short")
        if backup.examine(file).store != store:
            raise ConfigError(str(file), "", f"is no backup of the {store} store")
    return wish.data or settings.storage.data, wish.keys or settings.storage.keys


def _missing(longer: Path, pins: Path, survey: Survey) -> Missing:
    """What the longer log says beyond what is left; believed only if it is what was signed."""
    found = Missing()
    for log in logs_on_disk.logs_to_verify(longer, logs_on_disk.pinned_logs(pins)):
        report = log.verify({})
        if report.finding is not None:
            raise DataLoss(f"{longer}: {log.origin} is not what was signed ({report.finding})")
        left = survey.sizes.get(log.log_id, 0)
        if not report.entries:
            continue  # of a log that it does not have, one that a restore began since, it says nothing
        if report.entries < left:
            raise ConfigError(str(longer), log.log_id, f"is shorter than what is in the stores ({left} entries)")
        if report.entries > left:
            found.longer[log.log_id] = report.entries
        found.read(entry for index, entry, _ in log.entries() if index >= left)
    return found


def _told(planned: Plan, missing: Missing) -> Told:
    survey = planned.survey
    # Of a newer key store the keys say what was written since; of an older one the rows do.
    behind = survey.keys_behind
    gone = (*survey.keyless, *survey.deleted) if behind else (*survey.keyless, *survey.unwritten)
    return Told(
        needed=planned.needed,
        keys_behind=behind,
        cut_logs=[(c.log_id, c.published, c.size) for c in planned.logs.closing],
        rows=survey.rows,
        revivable=survey.revivable,
        lost=sorted(gone),
        older=[] if behind else sorted(set(survey.older) - set(survey.keyless)),
        deleted=list(survey.unwritten if behind else survey.deleted),
        erasures=survey.erasures,
        actions=dict(missing.actions),
        erase_again=len(missing.erased),
        delete_again=len(missing.deleted),
    )


def _announce(wish: Wish, settings: Settings, done: Done, told: Told) -> None:
    """Name the log that goes on in vault.toml and in the pins, and say what is left to do by hand."""
    told.log_id, told.origin, told.public_key = done.log_id, done.origin, done.public_key.hex()
    if done.log_id != settings.vault.log_id:
        # The settings last: as long as they name the old log, what a kill cut short here is done by the next run.
        announce.pin_log(wish.layout.pins, done.origin, done.public_key)
        if not announce.name_log(wish.config, done.log_id):
            told.next_steps.append(f'set log_id = "{done.log_id}" in the table [vault] of {wish.config}')
        told.next_steps.append(
            f"give every caller the new {wish.layout.pins}: the log goes on as {done.origin}, which they must pin"
        )
    told.next_steps.append(f"customer-vault audit verify {wish.layout.home}")
    told.next_steps.append(f"customer-vault serve {wish.layout.home}")
