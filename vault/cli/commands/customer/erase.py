"""Erase a customer: every key is destroyed, then every row."""

from pathlib import Path

import click

from vault.cli import moments, options, output, profile
from vault.client import OfficerClient
from vault.v1.customer_service_pb2 import ErasureReceipt


@click.command()
@click.argument("customer_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--receipt", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the signed receipt to this file."
)
@options.client_options
def command(*, customer_id: str, yes: bool, file: Path | None, home: Path, role: str | None) -> None:
    """Erase a customer for good: every key first, then every row. The id is never used again.

    Prints the receipt: what was destroyed, and when nothing opens any more that older backups hold of the customer.
    That takes both stores' backups, so it is when the last key-store backup from before is deleted. Called as the
    officer, unless --as names another role.

    With --receipt the log's signature is waited for, about a second, and the file can be checked by anybody who has the
    log's public key: what was destroyed, and who had read what before, to whom the erasure may have to be told.

    Example:
      customer-vault customer erase 42 --receipt receipt.json
      customer-vault customer check-receipt receipt.json --pins pins.json
    """
    if not yes and options.wants_json():
        raise click.UsageError("--json asks nobody, so it takes --yes.")
    if not yes:
        click.confirm("Erase this customer? There is no way back", abort=True, err=True)
    receipt = profile.run(home, role or "officer", OfficerClient, lambda vault: vault.erase_customer(customer_id))
    if file is not None:
        signed = profile.run(home, role or "officer", OfficerClient, lambda vault: vault.prove_erasure(receipt))
        file.write_text(signed.text(), encoding="utf-8")
    output.emit(_document(receipt), lambda: _tell(receipt, file))


def _document(receipt: ErasureReceipt) -> dict[str, object]:
    return {
        "customer_id": receipt.customer_id,
        "erase_time": moments.iso_ms(receipt.erase_time_ms),
        "keys_destroyed": receipt.keys_destroyed,
        "records_removed": receipt.records_removed,
        "horizon_time": moments.iso_ms(receipt.horizon_time_ms) or None,
        "horizon": _horizon(receipt),
        "log_id": receipt.log_id,
        "log_index": receipt.log_index,
    }


def _tell(receipt: ErasureReceipt, file: Path | None) -> None:
    output.pairs(
        {
            "erased": receipt.customer_id,
            "at": moments.iso_ms(receipt.erase_time_ms),
            "destroyed": f"{receipt.keys_destroyed} keys, {receipt.records_removed} records",
            "horizon": _horizon(receipt),
            "in the log": f"{receipt.log_id}, index {receipt.log_index}",
            "receipt": f"{file}; check it with customer-vault customer check-receipt" if file else "",
        }
    )


def _horizon(receipt: ErasureReceipt) -> str:
    """From when on no backup opens anything; a date only if the vault itself keeps it."""
    if receipt.horizon_time_ms:
        return f"{moments.iso_ms(receipt.horizon_time_ms)}: from then on no older backup opens anything"
    return "when the last key-store backup from before the erasure is deleted, nothing is left that opens"
