"""Report whose data a caller has read."""

from datetime import UTC, datetime
from pathlib import Path

import click

from vault.cli import moments, options, output, profile
from vault.client.staff import AuditorClient, OfficerClient
from vault.v1.audit_service_pb2 import Accessed

_WHEN = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])


@click.command()
@click.option("--caller", required=True, metavar="SPIFFE-ID", help="Whose reads: as in its certificate.")
@click.option("--since", type=_WHEN, help="From this day or time on, UTC.")
@click.option("--until", type=_WHEN, help="Before this day or time, UTC.")
@click.option("--names", is_flag=True, help="Also whose data it is; as the officer, who may export customers.")
@options.client_options
def command(
    *, caller: str, since: datetime | None, until: datetime | None, names: bool, home: Path, role: str | None
) -> None:
    """Report which customers a caller has read: what to ask when its certificate or its host was stolen.

    Customers are named by the pseudonyms that the log has; --names looks up whose they are, which opens every customer
    record, and not for those who were erased. Reads of fields count, sealed ones as well; the report itself is logged.
    Called as the auditor, or the officer with --names, unless --as names another role.

    Example:
      customer-vault audit report --caller spiffe://vault.example/billing --since 2026-11-01 --names
    """

    async def ask(vault: AuditorClient | OfficerClient) -> list[Accessed]:
        asked = vault.report_access(caller, since_ms=_ms(since), until_ms=_ms(until), names=names)
        return [each async for each in asked]

    if names:
        found = profile.run(home, role or "officer", OfficerClient, ask)
    else:
        found = profile.run(home, role or "auditor", AuditorClient, ask)
    document = {
        "caller": caller,
        "since": moments.iso_ms(_ms(since)) or None,
        "until": moments.iso_ms(_ms(until)) or None,
        "customers": [_document(each) for each in found],
    }

    def tell() -> None:
        rows = [
            (
                each.customer_id or each.subject.hex(),
                str(each.reads),
                moments.iso_ms(each.first_time_ms),
                moments.iso_ms(each.last_time_ms),
                ", ".join(each.purposes),
                ", ".join(each.fields),
            )
            for each in found
        ]
        output.table(("customer", "reads", "first", "last", "purposes", "fields"), rows, empty="it has read nobody")
        if rows:
            output.line(f"{len(rows)} customers")

    output.emit(document, tell)


def _ms(moment: datetime | None) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000) if moment else 0


def _document(each: Accessed) -> dict[str, object]:
    return {
        "subject": each.subject.hex(),
        "customer_id": each.customer_id or None,
        "reads": each.reads,
        "first": moments.iso_ms(each.first_time_ms),
        "last": moments.iso_ms(each.last_time_ms),
        "purposes": list(each.purposes),
        "fields": list(each.fields),
    }
