"""The receipt of an erasure promises no more than is kept."""

import json

import pytest
from click.testing import CliRunner

from vault.cli import profile
from vault.cli.frame import root
from vault.v1.customer_service_pb2 import ErasureReceipt

ERASED = 1_700_000_000_000


@pytest.mark.parametrize(
    ("horizon", "time", "said"),
    [
        (0, None, "when the last key-store backup from before the erasure is deleted"),
        (ERASED + 86_400_000, "2023-11-15T22:13:20Z", "2023-11-15T22:13:20Z: from then on"),
    ],
)
def test_the_horizon_is_a_date_only_if_the_vault_names_one(
    monkeypatch: pytest.MonkeyPatch, horizon: int, time: str | None, said: str
) -> None:
    """Without one it is bounded by the backups that the operator keeps; null is no date, and is explained."""
    receipt = ErasureReceipt(customer_id="42", erase_time_ms=ERASED, horizon_time_ms=horizon)
    monkeypatch.setattr(profile, "run", lambda *_: receipt)
    found = json.loads(CliRunner().invoke(root, ["customer", "erase", "42", "--yes", "--json"]).stdout)
    assert found["horizon_time"] == time
    assert found["horizon"].startswith(said)
    lines = CliRunner().invoke(root, ["customer", "erase", "42", "--yes"]).stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("horizon")]
    assert said in line
    assert "1970" not in line
