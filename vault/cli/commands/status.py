"""Say how a running vault is: serving or not and why, how fast, which keys are due."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from vault.cli import options, output
from vault.cli.admin_pages import Figures, figures, readiness
from vault.cli.deployment.layout import Layout
from vault.cli.failures import REFUSED
from vault.errors import ConfigError
from vault.service.settings import Settings

_BETWEEN_S: Final = 1.0
_DAY_S: Final = 86400


@click.command()
@options.home_option
@click.option("--admin", metavar="HOST:PORT", help="The admin port, if not the one in DIR/vault.toml.")
@options.json_option
def command(home: Path, admin: str | None) -> None:
    """Ask the server of this machine how it is, by its admin port; it takes a second, to count calls.

    Exit code 1 if it does not serve. Needs no certificate: the port is this machine's own, and shows no customer.

    Example:
      customer-vault status --home ./vault-dir
      customer-vault status --admin 127.0.0.1:9443 --json
    """
    at = admin or _configured(home)
    ready, before = readiness(at), figures(at)
    began = time.monotonic()
    time.sleep(_BETWEEN_S)
    document = _document(ready, before, figures(at), time.monotonic() - began)
    output.emit(document, lambda: _tell(document))
    if ready["state"] != "serving":
        sys.exit(REFUSED)


def _configured(home: Path) -> str:
    config = Layout(home).config
    settings = Settings.load(config)
    if settings.admin is None or settings.admin.listen.endswith(":0"):
        why = "names no fixed port: give --admin HOST:PORT, which `serve` prints, or set admin.listen"
        raise ConfigError(str(config), "admin.listen", why)
    return settings.admin.listen


def _document(ready: dict[str, Any], before: Figures, now: Figures, seconds: float) -> dict[str, Any]:
    calls = now.total("vault_calls_total") - before.total("vault_calls_total")
    return {
        **ready,
        "calls_per_second": round(calls / seconds, 1),
        "calls_in_flight": int(now.total("vault_calls_in_flight")),
        "p50_ms": now.quantile_ms("vault_call_seconds", 0.5),
        "p99_ms": now.quantile_ms("vault_call_seconds", 0.99),
        "limited": int(now.total("vault_calls_limited_total")),
        "log_entries": int(now.total("vault_log_entries")),
        "log_lag_seconds": round(now.total("vault_log_lag_seconds"), 1),
        "disk_free_bytes": int(min((value for _, value in now.each("vault_disk_free_bytes")), default=0)),
        "due": sorted(_due(now), key=lambda each: each["days"]),
    }


def _due(now: Figures) -> Iterator[dict[str, Any]]:
    """Everything that has a last day, and how many are left."""
    for labels, value in now.each("vault_certificate_expiry_timestamp_seconds"):
        yield {"what": f"certificate {labels['certificate']}", "days": _days(value)}
    for labels, value in now.each("vault_vault_key_due_timestamp_seconds"):
        yield {"what": f"vault key {labels['version']}", "days": _days(value)}
    for labels, value in now.each("vault_purpose_key_due_timestamp_seconds"):
        yield {"what": f"key of {labels['purpose']} (held by {labels['custody']})", "days": _days(value)}


def _days(moment: float) -> int:
    return int((moment - time.time()) // _DAY_S)


def _tell(said: dict[str, Any]) -> None:
    reasons = "; ".join(each["about"] for each in said["reasons"])
    remarks = "; ".join(each["about"] for each in said["remarks"])
    output.pairs(
        {
            "state": said["state"] + (f": {reasons}" if reasons else ""),
            "remarks": remarks,
            "uptime": f"{said['uptime_seconds']} s",
            "calls": f"{said['calls_per_second']} a second now, {said['calls_in_flight']} in flight",
            "latency": "no calls since the start"
            if said["p50_ms"] is None
            else f"half within {said['p50_ms']} ms, 99 % within {said['p99_ms']} ms, since the start",
            "over a limit": f"{said['limited']} calls since the start",
            "log": f"{output.count(said['log_entries'], 'entry', 'entries')}, signed {said['log_lag_seconds']} s ago",
            "disk": f"{said['disk_free_bytes'] // 2**20} MiB free",
        }
    )
    rows = [(each["what"], str(each["days"])) for each in said["due"][:5]]
    output.table(("due next", "days left"), rows, empty="nothing is due")
