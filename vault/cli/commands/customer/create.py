"""Create a customer with a contact and, if one is given, a card."""

from pathlib import Path

import click

from vault.cli import card_input, options, output, profile
from vault.client import Contact, NewCustomer, StorefrontClient
from vault.client.storefront import Created
from vault.domain import names
from vault.errors import DeadlineExceeded, OutcomeUnknown


@click.command()
@click.option("--id", "customer_id", default="", help="The customer's id (A-Z a-z 0-9 _ -); random if left out.")
@click.option("--name", default="")
@click.option("--street", default="")
@click.option("--city", default="")
@click.option("--region", default="")
@click.option("--postal-code", default="")
@click.option("--country-code", default="", metavar="XX", help="ISO 3166-1 alpha-2.")
@click.option("--phone", default="", help="International: +1 506 234 5678.")
@click.option("--email", default="")
@click.option("--card", "ask", is_flag=True, help="Ask for a card on the terminal.")
@click.option(
    "--card-file",
    metavar="FILE",
    help='JSON with "card_number", "expiry" (MM/YYYY) and "holder_name"; a file of mode 0600, or - for standard input.',
)
@options.client_options
def command(
    *, customer_id: str, ask: bool, card_file: str | None, home: Path, role: str | None, **contact: str
) -> None:
    """Create a customer, with contact and card in one transaction.

    The card is sealed here, before it is sent: neither the vault nor this command can read it again. A card number is
    never taken from the command line, which others can see.

    Example:
      customer-vault customer create --id 42 --name 'Ada Lovelace' --country-code GB --card
      customer-vault customer create --id 42 --name 'Ada Lovelace' --card-file - < card.json
    """
    if ask and card_file:
        raise click.UsageError("Give --card or --card-file, not both.")
    cards = [card_input.read(card_file)] if card_file else [card_input.prompted()] if ask else []
    # Drawn here and not by the SDK: whoever does not learn what became of the call needs the id to repeat it.
    customer_id = customer_id or names.new_id()
    customer = NewCustomer(customer_id, Contact(**contact) if any(contact.values()) else None, cards)  # type: ignore[arg-type]
    try:
        created = profile.run(
            home, role or "storefront", StorefrontClient, lambda vault: vault.create_customer(customer)
        )
    except (OutcomeUnknown, DeadlineExceeded, KeyboardInterrupt) as error:
        error.add_note(
            f"see that the server runs, and run it again with --id {customer_id}: the customer is created once "
            "(if it says that the id is taken, the first time worked)"
        )
        raise
    output.emit(_document(created), lambda: _tell(created))


def _document(created: Created) -> dict[str, object]:
    return {"customer_id": created.customer.customer_id, "record_names": list(created.record_names)}


def _tell(created: Created) -> None:
    output.line(f"created customers/{created.customer.customer_id}")
    for name in created.record_names:
        output.line(f"created {name}")
