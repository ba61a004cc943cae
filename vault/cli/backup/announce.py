"""What a restore changes beside the stores: which log vault.toml names, and whose key the pins hold.

Both files are the operator's. Of vault.toml one line is changed, and nothing if it does not look like what `init`
wrote; pins.json gets one more log. Copies that callers hold elsewhere cannot be reached from here, and must not be:
that the operator hands them out is what tells callers that the restore was meant.
"""

import json
import re
from pathlib import Path

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
    before = files.read(pins)
    try:
        found = json.loads(before)
        found["logs"][origin] = public_key.hex()
    except (ValueError, KeyError, TypeError):
        raise ConfigError(str(pins), "logs", "must give a public key in hex for each origin") from None
    after = (json.dumps(found, indent=2) + "\n").encode()
    if json.loads(before) == found:
        return []
    copies = [path for path in sorted(pins.parent.glob("callers/*/pins.json")) if files.read(path) == before]
    for path in (pins, *copies):
        files.write_over(path, after, files.PUBLIC)
    return [pins, *copies]
