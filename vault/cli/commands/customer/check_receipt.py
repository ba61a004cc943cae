"""Check the receipt of an erasure; needs no vault."""

import json
from pathlib import Path

import click

from vault.cli import logs_on_disk, options, output
from vault.crypto.receipt import LONGEST, parse
from vault.errors import ConfigError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pins", required=True, type=click.Path(path_type=Path), help="pins.json with the log's public key.")
@options.json_option
def command(file: Path, pins: Path) -> None:
    """Check FILE, made by `customer erase --receipt`: the log's key signed what it says. Exit code 1 if not.

    Prints what was destroyed, and who had read what before. Needs no server and changes nothing; the same check in 60
    lines of Go, which shares no code with the vault, is tests/openers/go/receipt.go.

    Example:
      customer-vault customer check-receipt receipt.json --pins pins.json
    """
    try:
        with file.open(encoding="utf-8") as receipt_file:
            text = receipt_file.read(LONGEST)
    except (OSError, UnicodeDecodeError):
        raise ConfigError(str(file), "", "cannot be read as a receipt") from None
    receipt = parse(text)
    signed = receipt.check(logs_on_disk.pinned_logs(pins))
    statement = json.loads(receipt.statement)

    def tell() -> None:
        output.line(f"ok: {signed.origin}: entry {receipt.proof.index} of {signed.size} says so")
        output.pairs(
            {
                "erased": statement["customer_id"],
                "at": statement["erase_time"],
                "destroyed": f"{statement['keys_destroyed']} keys, {statement['records_removed']} records",
                "horizon": statement["horizon"]["rule"],
            }
        )
        readers = [
            (each["caller"], each["purpose"], ", ".join(each["fields"]), str(each["reads"]), each["last"])
            for each in statement["recipients"]
        ]
        output.line("")
        output.table(("had read", "purpose", "fields", "reads", "last"), readers, empty="nobody had read anything")

    document = {"ok": True, "origin": signed.origin, "index": receipt.proof.index, "tree_size": signed.size}
    output.emit({**document, "statement": statement}, tell)
