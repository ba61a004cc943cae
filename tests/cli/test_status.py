"""`status`: how a running vault is, for people and programs."""

import json
import socket
from pathlib import Path

from tests.running import RunningVault, command, make_home, serving
from vault.cli.admin_pages import Figures


def free_port() -> int:
    """One that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_status_tells_what_serves_and_what_is_due(tmp_path: Path) -> None:
    """And fails, saying why, once nobody serves."""
    admin = f"127.0.0.1:{free_port()}"
    home = make_home(tmp_path, "--admin", admin)
    with serving(home) as vault:
        vault.run("keys", "list")
        said = json.loads(command("status", "--json", home=home).stdout)
        assert said["state"] == "serving"
        assert said["log_entries"] >= 2
        assert said["p99_ms"] is not None
        assert {"what": "vault key 1", "days": 29} in said["due"]
        text = command("status", home=home).stdout
        assert "state         serving\n" in text
        assert "vault key 1" in text
    refused = command("status", home=home, code=1)
    assert "nobody answers at the admin port" in refused.stderr


def test_without_a_fixed_port_it_must_be_named(running_vault: RunningVault) -> None:
    """`serve` prints the one that it took."""
    assert "admin.listen" in running_vault.run("status", code=2).stderr


def test_quantiles_are_bounds_of_buckets() -> None:
    """All labels together; none of nothing."""
    buckets = [({"le": "0.001"}, 98.0), ({"le": "0.01"}, 99.0), ({"le": "+Inf"}, 100.0)]
    figures = Figures({"x_bucket": buckets})
    assert (figures.quantile_ms("x", 0.5), figures.quantile_ms("x", 0.99)) == (1.0, 10.0)
    assert figures.quantile_ms("y", 0.5) is None
