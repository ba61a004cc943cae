"""Check a policy file as the server would, and print who may read what."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.deployment.layout import Layout
from vault.cli.papers.page import whole
from vault.policy import matrix
from vault.policy.load import load
from vault.policy.matrix import Row
from vault.policy.model import Policy
from vault.policy.retention import KINDS


@click.command()
@click.argument("file", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write it all as one page, to print and sign."
)
@options.home_option
@options.json_option
def command(file: Path | None, html: Path | None, home: Path) -> None:
    """Check FILE, or policy.toml in DIR (default: --home), as the server would, and print who may read what.

    Needs no server. A row that is not printed is a read that is denied.

    Example:
      customer-vault policy check ./vault-dir
      customer-vault policy check ./policy.toml --html policy.html
    """
    path = file or home
    if path.is_dir() or file is None:
        path = Layout(path).policy
    policy = load(path)
    if policy.callers:
        # It is a vault's own file and not one to start from, so it must have all that a server asks for.
        policy = load(path, require_keys=True)
    if html is not None:
        html.write_text(whole(policy, str(path), datetime.now(UTC).date().isoformat()), encoding="utf-8")
    output.emit(_document(path, policy, matrix.rows(policy)), lambda: _tell(path, policy))


def _document(path: Path, policy: Policy, rows: Iterable[Row]) -> dict[str, object]:
    return {
        "file": str(path),
        "digest": policy.digest.hex(),
        "limits": {
            "default": asdict(policy.limits.default),
            "unknown": asdict(policy.limits.unknown),
            "roles": {role: asdict(policy.limits.of("", frozenset({role}))) for role in policy.roles},
            "callers": {name: asdict(policy.limits.of(name, c.roles)) for name, c in policy.callers.items()},
        },
        "retention": {kind: getattr(policy.retention, kind).text for kind in KINDS},
        "matrix": [
            {
                "role": row.role,
                "purpose": row.purpose,
                "field": row.field,
                "condition": row.condition.value,
                "custody": row.custody.value,
                "clause": row.clause,
                "kept": row.kept,
            }
            for row in rows
        ],
    }


def _tell(path: Path, policy: Policy) -> None:
    """Purpose by purpose; clauses, which are sentences, below the table, by number."""
    clauses: dict[str, int] = {}
    table = []
    for grant in matrix.grants(policy):
        number = clauses.setdefault(grant.clause, len(clauses) + 1)
        cells = (grant.role, grant.purpose, grant.words, grant.condition.value, grant.custody.value, grant.kept)
        table.append((*cells, f"[{number}]"))
    columns = ("role", "purpose", "fields", "condition", "key held by", "kept", "clause")
    output.table(columns, table, empty="nobody may read anything")
    output.line("")
    for clause, number in clauses.items():
        output.line(f'[{number}] "{clause}"')
    output.line("")
    kept = ", ".join(f"{kind} {getattr(policy.retention, kind).text}" for kind in KINDS)
    output.line(f"kept until deleted or erased, but for: {kept}")
    default = policy.limits.default
    own = ", ".join([*policy.limits.roles, *policy.limits.callers]) or "nobody"
    said = f"{default.records_per_second:g} records and {default.searches_per_second:g} searches a second"
    output.line(f"limits of a caller: {said}, {default.concurrent:g} calls at work; others of their own: {own}")
    output.line(f"ok: {path}: {len(policy.purposes)} purposes, {len(policy.fields)} fields, {len(policy.roles)} roles")
