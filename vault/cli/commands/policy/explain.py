"""Say why a caller may, or may not, read a field, and which clause says so."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.deployment.layout import Layout
from vault.cli.failures import REFUSED
from vault.policy.explain import IF, explain, roles_named
from vault.policy.load import load
from vault.policy.model import Condition
from vault.v1 import status_pb2 as status


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, wherever it was asked."""

    allowed: bool
    reason: str
    purpose: str
    clause: str
    condition: str
    text: str


@click.command()
@click.option("--caller", required=True, metavar="ROLE|SPIFFE-ID", help="Who would read.")
@click.option("--field", required=True, help="What: payment.card_number, contact.phone, …")
@click.option("--purpose", default="", help="What for; may be left out if the caller has exactly one purpose.")
@click.option("--file", type=click.Path(path_type=Path), help="Another policy file than that in --home.")
@click.option("--server", is_flag=True, help="Ask the running server, whose policy may be another than the file's.")
@options.client_options
def command(
    *, caller: str, field: str, purpose: str, file: Path | None, server: bool, home: Path, role: str | None
) -> None:
    """Say whether a caller may read a field for a purpose, and which clause of the privacy policy says so.

    Needs no server, unless --server asks one. Exit code 1 if the answer is no.

    Example:
      customer-vault policy explain --caller provisioning --field payment.card_number --purpose payment_processing
    """
    if server:
        answer = _ask(home, role, caller, field, purpose)
    else:
        answer = _look_up(file or Layout(home).policy, caller, field, purpose)
    output.emit(
        {
            "allowed": answer.allowed,
            "reason": answer.reason,
            "purpose": answer.purpose,
            "condition": answer.condition,
            "clause": answer.clause,
            "explanation": answer.text,
        },
        lambda: output.line(f"{'yes' if answer.allowed else 'no'}: {answer.text}"),
    )
    if not answer.allowed:
        sys.exit(REFUSED)


def _look_up(file: Path, caller: str, field: str, purpose: str) -> Answer:
    policy = load(file)
    with options.typed():
        found = explain(policy, roles_named(policy, caller), field, purpose)
    return Answer(
        found.allowed,
        _reason(found.reason),
        found.purpose,
        found.clause,
        IF[found.condition] if found.condition is not Condition.NONE else "",
        found.text,
    )


def _ask(home: Path, role: str | None, caller: str, field: str, purpose: str) -> Answer:
    from vault.cli import profile  # noqa: PLC0415 - brings gRPC in, which the offline question does not need
    from vault.client.base import VaultClient  # noqa: PLC0415

    found = profile.run(
        home, role or "auditor", VaultClient, lambda vault: vault.explain_access(field, purpose, caller=caller)
    )
    return Answer(found.allowed, _reason(found.reason), found.purpose, found.clause, found.condition, found.explanation)


def _reason(reason: status.Reason.ValueType) -> str:
    return status.Reason.Name(reason).removeprefix("REASON_") if reason else ""
