"""A `customer create` whose outcome nobody knows can be repeated, and makes one customer."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.running import RunningVault, command, make_home
from vault.cli import profile
from vault.cli.frame import root
from vault.errors import DeadlineExceeded, OutcomeUnknown
from vault.pki.authority import DevelopmentCA
from vault.pki.spiffe import TrustDomain


def create(*args: str) -> dict[str, str]:
    """Run it, and read its error."""
    result = CliRunner().invoke(root, ["customer", "create", "--name", "Ada", "--json", *args])
    assert result.exit_code in {1, 130}, result.output
    found: dict[str, str] = json.loads(result.stderr)["error"]
    return found


@pytest.mark.parametrize(
    ("kind", "args"), [(OutcomeUnknown, ("it broke",)), (DeadlineExceeded, ("too late",)), (KeyboardInterrupt, ())]
)
@pytest.mark.parametrize("chosen", ["", "42"])
def test_the_id_that_was_sent_is_named(
    monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], args: tuple[str, ...], chosen: str
) -> None:
    """Drawn here, so that it is known; a second run that draws another one makes a second customer."""
    sent = []

    class Vault:
        def create_customer(self, customer: Any) -> None:
            sent.append(customer.customer_id)
            raise kind(*args)

    monkeypatch.setattr(profile, "run", lambda *given: given[-1](Vault()))
    found = create(*(("--id", chosen) if chosen else ()))
    assert len(sent) == 1
    assert sent[0]
    assert not chosen or sent == [chosen]
    assert f"again with --id {sent[0]}:" in found["next"]


def test_an_unreachable_server_is_to_be_started(tmp_path: Path) -> None:
    """Nobody took the call, so nothing was done: no talk of an unknown outcome, and no other next step."""
    home = make_home(tmp_path)
    refused = command("customer", "create", "--name", "Ada", "--json", home=home, code=1)
    found = json.loads(refused.stderr)["error"]
    assert (found["kind"], found["reason"]) == ("Unavailable", "UNAVAILABLE")
    assert found["next"].startswith("start the server (customer-vault serve DIR)")


def test_a_wrong_authority_leaves_json_alone_on_standard_error(running_vault: RunningVault, tmp_path: Path) -> None:
    """The library of gRPC has lines of its own for a handshake that fails; they are not JSON."""
    home = tmp_path / "vault"
    shutil.copytree(running_vault.home / "callers" / "officer", home / "callers" / "officer")
    other = DevelopmentCA.create(TrustDomain("vault.example"), datetime.now(UTC))
    (home / "callers" / "officer" / "ca.pem").write_bytes(other.ca_pem)
    refused = command("customer", "show", "42", "--json", home=home, code=1)
    assert json.loads(refused.stderr)["error"]["kind"] == "Unavailable"
