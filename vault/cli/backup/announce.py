"""What a restore changes beside the stores: which log vault.toml names, and whose key the pins hold.

Both files are the operator's. Of vault.toml one line is changed, and nothing if it does not look like what `init`
wrote; pins.json gets one more log, and so do copies in the vault's folder that list the same logs, whatever else they
pin (in the midst of a rotation, or for some purposes only). Copies that callers hold elsewhere cannot be reached from
here, and must not be: that the operator hands them out is what tells callers that the restore was meant.
"""

import json
import re
from pathlib import Path
from typing import Any

from vault.errors import ConfigError
from vault.pki import files


def name_log(config: Path, log_id: str) -> bool:
    """Write the log's id into vault.toml; False if that line is not there to be changed."""
    text = files.read(config).decode()
    changed, count = re.subn(r'(?m)^(\s*log_id\s*=\s*)"[^"\n]*"', rf'\g<1>"{log_id}"', text)
    if count != 1:
        return False
    if changed != text:
        files.write_over(config, changed.encode(), files.PUBLIC)
    return True


def pin_log(pins: Path, origin: str, public_key: bytes) -> list[Path]:
    """Add a log's key to pins.json, and to the copies that lie in the vault's folder; which files were changed.

    Raises:
        ConfigError: pins.json is no such file.
    """
    found = _read(pins)
    if found is None:
        raise ConfigError(str(pins), "logs", "must give a public key in hex for each origin")
    before = dict(found["logs"])
    changed = []
    for path in (pins, *sorted(pins.parent.glob("callers/*/pins.json"))):
        copy = _read(path)
        if copy is None or copy["logs"] != before or origin in before:
            continue
        copy["logs"] = before | {origin: public_key.hex()}
        files.write_over(path, (json.dumps(copy, indent=2) + "\n").encode(), files.PUBLIC)
        changed.append(path)
    return changed


def _read(pins: Path) -> dict[str, Any] | None:
    """The file's content; None if it holds no logs."""
    try:
        found = json.loads(files.read(pins))
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("logs"), dict) else None
