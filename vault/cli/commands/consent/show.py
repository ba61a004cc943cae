"""Show what a customer said, with its history, and who read what of it."""

from pathlib import Path

import click

from vault.cli import moments, options, output, profile, statements
from vault.client import OfficerClient
from vault.v1.customer_service_pb2 import GetCustomerResponse


@click.command()
@click.argument("customer_id", metavar="ID")
@options.client_options
def command(customer_id: str, home: Path, role: str | None) -> None:
    """Show a customer's consents, objections and restrictions, and how often each caller read what.

    The counts come from the whole log. Called as the officer, unless --as names another role.

    Example:
      customer-vault consent show 42
    """
    found = profile.run(home, role or "officer", OfficerClient, lambda vault: vault.get_statements(customer_id))
    output.emit(statements.document(found), lambda: _tell(found))


def _tell(found: GetCustomerResponse) -> None:
    said = found.statements
    rows = [
        [c.purpose, e["event_state"], e["event_time"], e["event_type"], e.get("privacy_notice", "")]
        for c in said.consents
        for e in map(statements.consent_event, c.events)
    ]
    rows += [
        [o.purpose, "objects" if e["objects"] else "objects no more", str(e["event_time"]), str(e["event_type"]), ""]
        for o in said.objections
        for e in map(statements.objection_event, o.events)
    ]
    rows += [
        [
            "",
            f"restricted: {e['ground']}" if e["restricted"] else "lifted",
            str(e["event_time"]),
            str(e["event_type"]),
            "",
        ]
        for e in map(statements.restriction_event, said.restrictions)
    ]
    output.table(["PURPOSE", "SAID", "WHEN", "HOW", "NOTICE"], rows, empty="The customer has said nothing yet.")
    output.line("")
    reads = [[r.caller, r.purpose, r.order_id, str(r.records), moments.iso_ms(r.last_time_ms)] for r in found.reads]
    output.table(["CALLER", "PURPOSE", "ORDER", "READ", "LAST"], reads, empty="Nobody has read anything of it.")


def _restriction(event: dict[str, object]) -> str:
    return f"restricted: {event['ground']}" if event["restricted"] else "lifted"
