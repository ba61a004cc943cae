"""What stands beside a backup, as FILE.json: which store of which vault, of which moment, with which digest.

It holds no secret. With it a backup is known without opening it, a copy that was cut short on its way is found before
it is put back, and two stores in one folder are noticed.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from vault.errors import ConfigError
from vault.pki import files

FORMAT: Final = "customer-vault backup 1"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup."""

    store: str
    vault_id: str
    created_at: str
    """RFC 3339."""
    bytes: int
    sha256: str
    sequence: int
    """Of a key store, its own; of a data store, the one that it depends on."""
    logs: dict[str, int]
    """Entries of each log."""
    format: str = FORMAT

    def save(self, path: Path) -> None:
        """Write it, for this user only, whole or not at all."""
        files.write_over(path, (json.dumps(asdict(self), indent=2) + "\n").encode(), files.SECRET)


def path_of(backup: Path) -> Path:
    """Where a backup's manifest stands."""
    return backup.with_name(backup.name + ".json")


def load(backup: Path) -> Manifest | None:
    """The manifest of a backup; None if it has none.

    Raises:
        ConfigError: what stands there is no manifest.
    """
    path = path_of(backup)
    if not path.exists():
        return None
    try:
        found = Manifest(**json.loads(files.read(path)))
    except (ValueError, TypeError):
        raise ConfigError(str(path), "", "is not the manifest of a backup") from None
    if found.format != FORMAT:
        raise ConfigError(str(path), "format", "is not one that this release reads")
    return found


def in_folder(folder: Path) -> list[Manifest]:
    """The manifests of a folder; other files are passed over."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            manifest = load(path.with_name(path.name.removesuffix(".json")))
        except ConfigError:
            continue
        if manifest is not None:
            found.append(manifest)
    return found
