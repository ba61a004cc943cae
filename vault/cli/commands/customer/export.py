"""Export all that the vault holds of a customer, as JSON."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from vault.cli import options, output, profile
from vault.client import OfficerClient


@click.command()
@click.argument("customer_id", metavar="ID")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file to write instead of printing.")
@options.client_options
def command(*, customer_id: str, out: Path | None, home: Path, role: str | None) -> None:
    """Export everything that the vault holds of a customer: values, what the customer said, and who read what, when.

    It is JSON, with or without --json; its schema is in the package as vault/schemas/export-1.json. A card or a message
    is in it as the sealed envelope that it is, with a note of who can open it. A file is readable by you alone, and is
    there only if the export is whole; then it is said to whom outside of the company what was disclosed. Called as the
    officer, unless --as names another role; an export is logged.

    Example:
      customer-vault customer export 42 --out customer-42.json
    """

    async def write(vault: OfficerClient, to: TextIO) -> None:
        async for piece in vault.export_customer(customer_id):
            to.write(piece)

    if out is None:
        profile.run(home, role or "officer", OfficerClient, lambda vault: write(vault, sys.stdout))
        return
    part = out.with_name(f"{out.name}.part")
    try:
        part.touch(mode=0o600)
        part.chmod(0o600)  # one that a broken export left may have any
        with part.open("w", encoding="utf-8") as to:
            profile.run(home, role or "officer", OfficerClient, lambda vault: write(vault, to))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    told = json.loads(out.read_text(encoding="utf-8"))["disclosures"]
    output.emit({"customer_id": customer_id, "file": str(out), "disclosures": told}, lambda: _tell(out, told))


def _tell(out: Path, told: Sequence[Mapping[str, Any]]) -> None:
    output.line(f"written: {out}")
    for each in told:
        by = f"order {each['order']}" if each["order"] else each["ground"]
        output.line(
            f"disclosed to {each['recipient']} for {each['purpose']}, by {by}: {', '.join(each['fields'])}, last on "
            f"{each['last']}"
        )
    if not told:
        output.line("disclosed to nobody outside of the company")
