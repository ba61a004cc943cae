"""Prove to an outsider that an entry stands in the log."""

from pathlib import Path

import click

from vault.audit.entry import describe
from vault.cli import options, output, profile
from vault.client import AuditorClient
from vault.crypto.merkle import leaf_hash
from vault.crypto.tlog_proof import ProofFile


@click.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file to write instead of printing.")
@click.option("--log-id", default="", help="Another log than that of the process that answers.")
@options.client_options
def command(*, index: int, out: Path | None, log_id: str, home: Path, role: str | None) -> None:
    """Print entry INDEX of the log with the proof that it stands there: a C2SP tlog-proof.

    It holds the entry, its path to the root (RFC 9162) and the signed checkpoint, and is checked before it is printed.
    Whoever has the log's public key checks it again offline: customer-vault audit check-proof, or any tool that reads
    the format. Called as the auditor, unless --as names another role; making a proof is logged.

    Example:
      customer-vault audit proof 17 --out entry-17.tlog-proof
    """

    async def prove(vault: AuditorClient) -> ProofFile:
        return await vault.prove_entry(index, log_id)

    proof = profile.run(home, role or "auditor", AuditorClient, prove)
    if out is not None:
        out.write_text(proof.text())
    document = {
        "index": index,
        "entry": describe(proof.entry),
        "leaf_hash": leaf_hash(proof.entry).hex(),
        "hashes": [each.hex() for each in proof.hashes],
        "checkpoint": proof.checkpoint,
        "proof": proof.text(),
    }

    def tell() -> None:
        written = f"written: {out}; check it: customer-vault audit check-proof {out} --pins pins.json"
        for each in [written] if out else proof.text().splitlines():
            output.line(each)

    output.emit(document, tell)
