"""Doctor on what a restore left behind, and on the witness."""

from pathlib import Path

import pytest

from tests.cli.test_doctor import findings, home

__all__ = ["home"]


@pytest.mark.parametrize(("path", "holds"), [("keys/keys.db", "keys"), ("data/vault.db", "rows")])
def test_a_store_from_before_a_restore_is_to_be_deleted(home: Path, path: str, holds: str) -> None:
    """It holds what was erased since."""
    old = home / f"{path}.before-restore"
    old.write_bytes(b"x")
    old.chmod(0o600)
    (found,) = findings(home)["leftovers"]
    assert found["state"] == "warning"
    assert f"{old} holds {holds}" in found["what"]
    assert "delete it" in found["remedy"]


def test_a_witness_without_its_note_is_found(home: Path) -> None:
    """A missing folder is a problem, a missing note may be a first start; one that is there has an age."""
    note = home.parent / "volume" / "note"
    config = home / "vault.toml"
    config.write_text(f'{config.read_text()}\n[witness]\nfile = "{note}"\n')
    assert findings(home, code=1)["witness"][0]["state"] == "problem"
    note.parent.mkdir()
    assert findings(home)["witness"][0]["state"] == "warning"
    note.write_text("x")
    assert "0 minutes ago" in findings(home)["witness"][0]["what"]
