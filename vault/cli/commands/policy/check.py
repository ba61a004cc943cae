"""Check a policy file as the server would, and print who may read what."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.deployment.layout import Layout
from vault.policy import matrix
from vault.policy.load import load
from vault.policy.matrix import Row
from vault.policy.model import Policy
from vault.policy.retention import KINDS


@click.command()
@click.argument("file", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@options.home_option
@options.json_option
def command(file: Path | None, home: Path) -> None:
    """Check FILE, or policy.toml in DIR (default: --home), as the server would, and print who may read what.

    Needs no server. A row that is not printed is a read that is denied.

    Example:
      customer-vault policy check ./vault-dir
      customer-vault policy check ./policy.toml
    """
    path = file or home
    if path.is_dir() or file is None:
        path = Layout(path).policy
    policy = load(path)
    if policy.callers:
        # It is a vault's own file and not one to start from, so it must have all that a server asks for.
        policy = load(path, require_keys=True)
    rows = list(matrix.rows(policy))
    output.emit(_document(path, policy, rows), lambda: _tell(path, policy, rows))


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
            }
            for row in rows
        ],
    }


def _tell(path: Path, policy: Policy, rows: Iterable[Row]) -> None:
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.role, row.purpose), []).append(row)
    table = [
        (role, purpose, _fields(policy, [r.field for r in each]), each[0].condition.value, each[0].custody.value)
        for (role, purpose), each in grouped.items()
    ]
    output.table(("role", "purpose", "fields", "condition", "key held by"), table, empty="nobody may read anything")
    kept = ", ".join(f"{kind} {getattr(policy.retention, kind).text}" for kind in KINDS)
    output.line(f"kept until deleted or erased, but for: {kept}")
    default = policy.limits.default
    own = ", ".join([*policy.limits.roles, *policy.limits.callers]) or "nobody"
    said = f"{default.records_per_second:g} records and {default.searches_per_second:g} searches a second"
    output.line(f"limits of a caller: {said}, {default.concurrent:g} calls at work; others of their own: {own}")
    output.line(f"ok: {path}: {len(policy.purposes)} purposes, {len(policy.fields)} fields, {len(policy.roles)} roles")


def _fields(policy: Policy, fields: list[str]) -> str:
    """A few words for many fields: `contact.*` for all of a category, `contact.* but phone` where one is missing."""
    words = []
    for category in dict.fromkeys(field.partition(".")[0] for field in fields if field):
        everything = policy.of_category(category)
        missing = [name.partition(".")[2] for name in everything if name not in fields]
        words.append(f"{category}.*" + (f" but {', '.join(missing)}" if missing else ""))
    return "; ".join(words) or "(counts only)"
