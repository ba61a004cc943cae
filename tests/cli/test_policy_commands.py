"""The policy offline: who may read what, and why not."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vault.cli.frame import root
from vault.policy import matrix
from vault.policy.load import DEFAULT, load

FIELD = "payment.card_number"


def run(*args: str) -> Result:
    """`customer-vault policy ARGS`."""
    return CliRunner().invoke(root, ["policy", *args])


def explain(*args: str) -> Result:
    """`policy explain` on the shipped policy."""
    return run("explain", "--file", str(DEFAULT), *args)


def test_check_prints_every_read_that_is_allowed() -> None:
    """As JSON row by row, so that a program can compare two policies."""
    found = json.loads(run("check", str(DEFAULT), "--json").stdout)["matrix"]
    policy = load(DEFAULT)
    assert [(r["role"], r["purpose"], r["field"]) for r in found] == [
        (r.role, r.purpose, r.field) for r in matrix.rows(policy)
    ]
    assert all(row["clause"] for row in found)


def test_check_tells_people_in_a_screen() -> None:
    """Billing reads name and address, and neither phone nor e-mail; the clause stands below, by its number."""
    lines = run("check", str(DEFAULT)).stdout.splitlines()
    (billing,) = (" ".join(line.split()) for line in lines if line.startswith("billing "))
    assert billing.startswith("billing payment_processing contact.* but phone, email; payment.* caller until deleted")
    number = billing.rpartition(" ")[2]
    assert f'{number} "We use payment information for payment processing purposes only."' in lines
    assert len(lines) < 40
    assert lines[-1].startswith("ok: ")


def test_check_names_the_line_to_change(tmp_path: Path) -> None:
    """File, key path, why; exit code 2."""
    changed = tmp_path / "policy.toml"
    changed.write_text(
        DEFAULT.read_text().replace('custody = "caller"\nroles = ["billing"]', 'custody = "vault"\nroles = ["billing"]')
    )
    result = run("check", str(changed))
    assert result.exit_code == 2
    assert f'error: {changed}: fields."payment.card_number".audience[0]: ' in result.stderr


def test_check_of_a_vaults_own_policy_asks_for_its_keys(tmp_path: Path) -> None:
    """The shipped file may lack them; one with callers is about to be served."""
    mine = tmp_path / "policy.toml"
    mine.write_text(DEFAULT.read_text() + '\n[callers."spiffe://vault.example/billing"]\nroles = ["billing"]\n')
    result = run("check", str(mine))
    assert result.exit_code == 2
    assert "keys.payment_processing" in result.stderr


def test_check_without_a_file_looks_into_the_home(tmp_path: Path) -> None:
    """And says where it looked."""
    result = run("check", "--home", str(tmp_path))
    assert result.exit_code == 2
    assert str(tmp_path / "policy.toml") in result.stderr


def test_check_takes_a_vaults_folder(tmp_path: Path) -> None:
    """As doctor does."""
    (tmp_path / "policy.toml").write_text(DEFAULT.read_text())
    said = run("check", str(tmp_path)).stdout
    assert said.splitlines()[-1].startswith(f"ok: {tmp_path / 'policy.toml'}: ")


def test_explain_says_yes_with_the_clause() -> None:
    """Exit code 0."""
    result = explain("--caller", "billing", "--field", FIELD, "--purpose", "payment_processing")
    assert result.exit_code == 0
    assert result.stdout.startswith("yes: billing may read payment.card_number")
    assert "We use payment information for payment processing purposes only." in result.stdout


def test_explain_says_no_with_the_clause() -> None:
    """Exit code 1, so a script can rely on the answer."""
    result = explain("--caller", "provisioning", "--field", FIELD, "--purpose", "payment_processing", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert not found["allowed"]
    assert found["reason"] == "PURPOSE_NOT_ALLOWED"
    assert found["clause"] == "We use payment information for payment processing purposes only."


def test_explain_names_the_condition() -> None:
    """What the policy allows may still depend on the customer."""
    result = explain("--caller", "partners", "--field", "contact.name", "--purpose", "partner_offers", "--json")
    assert json.loads(result.stdout)["condition"] == "if the customer has agreed to it"


@pytest.mark.parametrize(
    "args",
    [
        ("--caller", "nobody", "--field", FIELD),
        ("--caller", "billing", "--field", "payment.cvv"),
        ("--caller", "provisioning", "--field", "contact.name"),
        ("--caller", "billing"),
    ],
)
def test_a_question_that_makes_no_sense_is_a_usage_error(args: tuple[str, ...]) -> None:
    """Exit code 2: it is neither yes nor no."""
    assert explain(*args).exit_code == 2
