"""An entry is proven to an outsider, who checks it with a file of pins and nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from tests.running import RunningVault, command, make_home, serving


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunningVault, Path]:
    """A running vault's proof of an entry, and the pins beside it; the vault has stopped."""
    folder = tmp_path_factory.mktemp("proof")
    with serving(make_home(folder)) as vault:
        for n in range(3):
            vault.run("customer", "create", "--id", f"c{n}")
        document = json.loads(vault.run("audit", "proof", "2", "--json").stdout)
        (folder / "printed.tlog-proof").write_text(vault.run("audit", "proof", "2").stdout)
        vault.run("audit", "proof", "2", "--out", str(folder / "entry.tlog-proof"))
    assert document["entry"]["action"]
    assert "\nindex 2\n" in document["proof"]
    return vault, Path(shutil.copy(vault.home / "pins.json", folder / "pins.json"))


def test_an_entry_is_proven_offline(proven: tuple[RunningVault, Path]) -> None:
    """With the server stopped."""
    pins = proven[1]
    file = str(pins.with_name("entry.tlog-proof"))
    said = command("audit", "check-proof", file, "--pins", str(pins)).stdout
    assert said.startswith("ok: vault.example/log/log-0: entry 2 of ")
    found = json.loads(command("audit", "check-proof", file, "--pins", str(pins), "--json").stdout)
    assert (found["ok"], found["index"]) == (True, 2)


def test_a_printed_proof_is_as_good_as_a_written_one(proven: tuple[RunningVault, Path]) -> None:
    """Line by line, as the format has it: `audit proof 2 > FILE`."""
    pins = proven[1]
    file = pins.with_name("printed.tlog-proof")
    said = command("audit", "check-proof", str(file), "--pins", str(pins)).stdout
    assert said.startswith("ok: vault.example/log/log-0: entry 2 of ")


def test_a_bent_proof_is_refused(proven: tuple[RunningVault, Path], tmp_path: Path) -> None:
    """Another index, for instance."""
    pins = proven[1]
    bent = tmp_path / "bent"
    bent.write_text(pins.with_name("entry.tlog-proof").read_text().replace("\nindex 2\n", "\nindex 3\n"))
    command("audit", "check-proof", str(bent), "--pins", str(pins), code=1)
    command("audit", "check-proof", str(tmp_path / "none"), "--pins", str(pins), code=2)
