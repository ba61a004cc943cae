"""Taking a backup: copy, look through, verify the log, then let it be seen.

The two stores must not lie together: the data's backups are kept for long, and whatever an erasure destroyed in the key
store would live on in a key-store backup that is kept as long.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vault.cli import logs_on_disk
from vault.cli.backup import manifest
from vault.cli.backup.manifest import Manifest
from vault.cli.backup.progress import Step
from vault.cli.moments import iso
from vault.errors import ConfigError, DataLoss
from vault.service.settings import Settings
from vault.storage import backup
from vault.storage.backup import DATA, KEYS, Content

_APART: Final = (
    "{} the two stores must be kept apart: with both, older backups open, also what was erased since; the data's may "
    "be kept for years, the key store's for days. Name another folder, or say --same-folder if that is what you want"
)


def take(settings: Settings, store: str, target: Path, pins: Path, step: Step, *, same_folder: bool) -> Manifest:
    """Take a backup of one store.

    Args:
        settings: of the vault; its server may run.
        store: `data` or `keys`.
        target: the file to be made.
        pins: with the log's public key.
        step: told of progress.
        same_folder: whether the two stores may lie in one folder.

    Raises:
        ConfigError: the file exists, or its folder holds the other store.
        DataLoss: the store is damaged, or its log is not what was signed.
        ResourceExhausted: no room.
    """
    sources = {DATA: settings.storage.data, KEYS: settings.storage.keys}
    _check_target(sources, store, target, same_folder=same_folder)
    part = backup.part_of(target)
    backup.copy(sources[store], part, lambda done, total: step("copying", done, total))
    try:
        step("looking through", 0, 0)
        content = _content(part, store)
        if store == DATA:
            _verify_log(part, pins, step)
        made = Manifest(
            store=store,
            vault_id=content.vault_id.hex(),
            created_at=iso(datetime.now(UTC)),
            bytes=part.stat().st_size,
            sha256=backup.digest(part, lambda done, total: step("digest", done, total)),
            sequence=content.sequence,
            logs=dict(content.logs),
        )
        backup.publish(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    made.save(manifest.path_of(target))
    return made


def _check_target(sources: dict[str, Path], store: str, target: Path, *, same_folder: bool) -> None:
    folder = target.parent
    if not folder.is_dir():
        raise ConfigError(str(folder), "", "is no folder: make it, for the vault's user only (mode 700)")
    if target.exists() or manifest.path_of(target).exists():
        raise ConfigError(str(target), "", "exists already; a backup is never overwritten: name it after the date")
    if same_folder:
        return
    other = KEYS if store == DATA else DATA
    here = folder.resolve()
    if here == sources[other].parent.resolve():
        raise ConfigError(str(folder), "", _APART.format(f"holds the live {other} store;"))
    if any(found.store == other for found in manifest.in_folder(folder)):
        raise ConfigError(str(folder), "", _APART.format(f"holds a backup of the {other} store;"))


def _content(part: Path, store: str) -> Content:
    content = backup.examine(part)
    if content.store != store:
        raise DataLoss(f"what vault.toml names as the {store} store is the {content.store} store")
    return content


def _verify_log(part: Path, pins: Path, step: Step) -> None:
    step("verifying the log", 0, 0)
    for log in logs_on_disk.logs_to_verify(part, logs_on_disk.pinned_logs(pins)):
        report = log.verify({})
        if report.finding is not None:
            raise DataLoss(f"the log {log.origin} is not what was signed ({report.finding}); see: audit verify")
