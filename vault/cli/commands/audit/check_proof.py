"""Check a proof that an entry stands in a log; needs no vault."""

from pathlib import Path

import click

from vault.audit.entry import describe
from vault.cli import logs_on_disk, options, output
from vault.crypto.tlog_proof import LONGEST, parse
from vault.errors import ConfigError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pins", required=True, type=click.Path(path_type=Path), help="pins.json with the log's public key.")
@options.json_option
def command(file: Path, pins: Path) -> None:
    """Check FILE, made by `audit proof`: the entry stands in the log whose key the pins list. Exit code 1 if not.

    Needs no server and changes nothing. It shows that the log's key signed a history with this entry at this index;
    that nobody was shown another history is what callers' SDKs and the witness watch.

    Example:
      customer-vault audit check-proof entry-17.tlog-proof --pins pins.json
    """
    try:
        with file.open(encoding="utf-8") as proof_file:
            text = proof_file.read(LONGEST)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(str(file), "", "cannot be read as a proof") from None
    proof = parse(text)
    signed = proof.check(logs_on_disk.pinned_logs(pins))
    entry = describe(proof.entry)
    output.emit(
        {"ok": True, "origin": signed.origin, "index": proof.index, "tree_size": signed.size, "entry": entry},
        lambda: output.line(
            f"ok: {signed.origin}: entry {proof.index} of {signed.size}: {entry.get('time', '')} "
            f"{entry.get('caller', '')} {entry.get('action', '')} {entry.get('outcome', '')}"
        ),
    )
