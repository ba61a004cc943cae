"""Cards that open are listed although others do not, and those are not passed over."""

import json

import pytest
from click.testing import CliRunner

from vault.cli import billing
from vault.cli.frame import root
from vault.client import OpenedCard
from vault.errors import DataLoss


def test_good_cards_are_printed_and_bad_ones_fail_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1; with --json the error is JSON as well."""
    good = OpenedCard("customers/42/cards/a", "", "", "", "visa", "1111", "etag", None, None)
    monkeypatch.setattr(billing, "run", lambda *_: [good, DataLoss("it does not open")])
    result = CliRunner().invoke(root, ["card", "list", "42", "--json"])
    assert result.exit_code == 1
    assert [card["record_name"] for card in json.loads(result.stdout)["cards"]] == ["customers/42/cards/a"]
    found = json.loads(result.stderr)["error"]
    assert (found["kind"], found["message"]) == ("DataLoss", "1 of 2 cards do not open: it does not open")
