"""Check the whole log offline: is it what was signed, and if not, which is the first bad index?"""

import sys
from pathlib import Path
from typing import Final

import click

from vault.audit.report import Report
from vault.cli import logs_on_disk, moments, options, output
from vault.cli.failures import REFUSED
from vault.errors import ConfigError

_NO_DATA_FILE: Final = (
    "name a vault's folder or data file; if it is one, it is damaged or lost: customer-vault doctor DIR"
)


@click.command()
@click.argument("target", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option("--pins", type=click.Path(path_type=Path), help="pins.json with the log's key (default: DIR/pins.json).")
@click.option("--key", metavar="HEX", help="The log's public key instead of pins; with --origin.")
@click.option("--origin", help="The log's origin, such as vault.example/log/log-0; with --key.")
@click.option(
    "--witness",
    type=click.Path(path_type=Path),
    help="Checkpoints kept elsewhere (an SDK's state file, a witness's note): they show a store that was put back.",
)
@options.json_option
def command(*, target: Path, pins: Path | None, key: str | None, origin: str | None, witness: Path | None) -> None:
    """Check every entry and every checkpoint of the logs in a vault's folder, or in a copy of its data file.

    Needs no server and none of its code, may run beside it, and changes nothing. The key comes from pins.json: bring
    your own copy, for one that lies beside the log could have been changed with it. Exit code 1 if anything is wrong;
    the first bad index is named.

    Example:
      customer-vault audit verify ./vault-dir
      customer-vault audit verify vault.db --pins ./pins.json
    """
    keys = _keys(target, pins, key, origin)
    notes = logs_on_disk.kept_notes(witness) if witness else {}
    file = logs_on_disk.data_file(target)
    try:
        found = [log.verify(notes) for log in logs_on_disk.logs_to_verify(file, keys)]
    except ConfigError as error:
        if (error.file, error.key) == (str(file), ""):
            error.add_note(_NO_DATA_FILE)
        raise
    output.emit({"ok": all(map(_ok, found)), "logs": [_document(report) for report in found]}, lambda: _tell(found))
    if not all(map(_ok, found)):
        sys.exit(REFUSED)


def _keys(target: Path, pins: Path | None, key: str | None, origin: str | None) -> dict[str, bytes]:
    if bool(key) != bool(origin) or (key and pins):
        raise click.UsageError("Give --pins, or --key and --origin together.")
    if key and origin:
        try:
            return {origin: bytes.fromhex(key)}
        except ValueError:
            raise click.UsageError("--key must be 32 bytes in hex.") from None
    if not target.exists():
        raise ConfigError(str(target), "", "is not there: give the vault's folder or its data file")
    if pins is None and not target.is_dir():
        raise ConfigError(str(target), "--pins", "is needed to check a file: give pins.json, or --key and --origin")
    return logs_on_disk.pinned_logs(pins or target / "pins.json")


def _ok(report: Report) -> bool:
    """A vault signs its log when it starts, so a log without any checkpoint was taken away, or never begun."""
    return report.ok and report.checkpoints > 0


def _document(report: Report) -> dict[str, object]:
    finding = report.finding
    return {
        "origin": report.origin,
        "ok": _ok(report),
        "entries": report.entries,
        "checkpoints": report.checkpoints,
        "proven": report.proven,
        "first_time": moments.iso_ms(report.first_time),
        "last_time": moments.iso_ms(report.last_time),
        "finding": finding and {"reason": finding.reason.name, "first": finding.first, "last": finding.last},
    }


def _tell(found: list[Report]) -> None:
    for report in found:
        entries = output.count(report.entries, "entry", "entries")
        checkpoints = output.count(report.checkpoints, "checkpoint")
        span = f", {moments.iso_ms(report.first_time)} to {moments.iso_ms(report.last_time)}" if report.entries else ""
        if report.finding:
            output.line(f"BAD: {report.origin}: {report.finding}")
        elif not _ok(report):
            output.line(f"BAD: {report.origin}: no checkpoint: the log was taken away, or the vault never started")
        else:
            uncovered = f", the last {report.uncovered} not signed yet" if report.uncovered else ""
            output.line(f"ok: {report.origin}: {entries}, {checkpoints}{span}{uncovered}")
    if not all(map(_ok, found)):
        output.line("next: keep this file as evidence, and compare with a backup and with what callers' SDKs have kept")
