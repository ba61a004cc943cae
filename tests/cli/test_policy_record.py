"""The record of processing activities says what article 30 asks for, and what it does not know."""

import json

from click.testing import CliRunner, Result

from vault.cli.frame import root
from vault.cli.papers.activities import UNKNOWN
from vault.policy.load import DEFAULT, load

POLICY = load(DEFAULT)


def run(*args: str) -> Result:
    """`policy record` of the shipped policy."""
    result = CliRunner().invoke(root, ["policy", "record", str(DEFAULT), *args])
    assert result.exit_code == 0, result.output
    return result


def test_every_purpose_is_an_activity_with_all_that_is_asked_for() -> None:
    """Article 30(1)(b) to (g): purpose, subjects, data, recipients, transfers, time limits, measures."""
    found = json.loads(run("--json").stdout)
    assert [each["purpose"] for each in found["activities"]] == list(POLICY.purposes)
    assert all(all(each.values()) for each in found["activities"])
    assert found["transfers"] == UNKNOWN
    assert found["safeguards"]
    assert found["policy"] == POLICY.digest.hex()


def test_it_is_read_by_people() -> None:
    """Card, mail and partners, in words."""
    said = run("--controller", "Quality Communications").stdout
    assert "- Controller: Quality Communications\n" in said
    payment = said.partition("## payment_processing")[2].partition("\n## ")[0]
    assert "> We use payment information for payment processing purposes only.\n" in payment
    assert "- Data: contact.* but phone, email; payment.*\n" in payment
    assert "neither the vault nor its operator can read it" in payment
    assert "  - billing: Charges cards." in payment
    assert "- Kept: 5 days\n" in said.partition("## mail_delivery")[2]
    assert "- Condition: if the customer has agreed to it\n" in said.partition("## partner_offers")[2]
    assert "- Data: counts only\n" in said.partition("## traffic_analysis")[2]


def test_what_the_policy_does_not_know_is_not_guessed() -> None:
    """It stands there to be filled in."""
    assert run().stdout.count(UNKNOWN) == 4
