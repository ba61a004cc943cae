"""Write the log to one plain file, to be kept for years and checked without a vault."""

from datetime import UTC, datetime
from pathlib import Path

import click

from vault.cli import log_archive, logs_on_disk, options, output
from vault.errors import DataLoss


@click.command()
@click.argument("target", metavar="DIR|FILE", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Path(path_type=Path), help="The file to make; it must be new.")
@click.option("--before", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="Only what was before this day, UTC.")
@click.option("--pins", type=click.Path(path_type=Path), help="pins.json with the log's key (default: DIR/pins.json).")
@options.json_option
def command(*, target: Path, to: Path, before: datetime | None, pins: Path | None) -> None:
    """Copy all entries and checkpoints of a vault's folder, or of a backup of its data, to one file of JSON lines.

    The server may run. The archive ends at a checkpoint and is verified before the command ends; later, and anywhere:
    customer-vault audit verify FILE --pins pins.json. Nothing is taken out of the live log: its tree is proven from the
    first entry on, and a log that can be trimmed can be trimmed by a thief. With it, `restore --log` erases again who
    was erased since a backup.

    Example:
      customer-vault audit archive ./vault-dir --to /archive/2026-11.log
      customer-vault audit archive ./vault-dir --to /archive/2026-10.log --before 2026-11-01
    """
    keys = logs_on_disk.pinned_logs(pins or (target / "pins.json" if target.is_dir() else target.parent / "pins.json"))
    file = logs_on_disk.data_file(target)
    origins = {log.log_id: log.origin for log in logs_on_disk.logs_to_verify(file, keys)}
    until = int(before.replace(tzinfo=UTC).timestamp() * 1000) if before else None
    counts = log_archive.write(file, to, origins, until)
    for log in logs_on_disk.logs_to_verify(to, keys):
        report = log.verify({})
        if report.finding is not None:
            raise DataLoss(f"{log.origin} is not what was signed ({report.finding}); {to} is kept as evidence")
    output.emit({"file": str(to), "logs": counts}, lambda: _tell(to, counts))


def _tell(to: Path, counts: dict[str, int]) -> None:
    for log_id, count in counts.items():
        output.line(
            f"{to}: {log_id}, {output.count(count, 'entry', 'entries')} up to its newest checkpoint, all as signed"
        )
