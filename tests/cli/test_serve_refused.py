"""A server that cannot start says what to do, and never that it should be started."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.running import command, make_home, serving


def _garbage(home: Path) -> None:
    with (home / "data/vault.db").open("r+b") as file:
        file.write(b"\x5a" * 4096)


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (_garbage, "stop the server, put back what is damaged or old from a backup"),
        (lambda home: (home / "data/vault.db").unlink(), "stop the server, put back what is damaged or old"),
        (lambda home: (home / "keys/keys.db").unlink(), "stop the server, put back what is damaged or old"),
        (lambda home: (home / "root.key").unlink(), "put back the root key file of this vault"),
        (lambda home: (home / "keys/keys.db").chmod(0o640), "correct it, and run the command again"),
        (lambda home: (home / "vault.toml").write_text("[no"), "correct it, and run the command again"),
    ],
)
def test_a_start_that_is_refused_says_what_helps(tmp_path: Path, change: Callable[[Path], Any], step: str) -> None:
    """What is lost or damaged cannot be corrected, only put back; exit code 2."""
    home = make_home(tmp_path)
    change(home)
    refused = command("serve", str(home), code=2)
    following = refused.stderr.splitlines()[-1]
    assert following.startswith(f"next: {step}")
    assert "customer-vault serve" not in refused.stderr


def test_a_vault_that_is_served_already_is_not_to_be_put_back(tmp_path: Path) -> None:
    """Its stores are in use, and well."""
    with serving(make_home(tmp_path)) as vault:
        refused = command("serve", str(vault.home), code=2)
    assert "another process has this vault open: stop it first" in refused.stderr
    assert "put back" not in refused.stderr
