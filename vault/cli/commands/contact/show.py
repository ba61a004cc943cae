"""Show a customer's contact: the fields that the caller's purpose may read."""

from pathlib import Path
from typing import Final

import click

from vault.cli import billing, moments, options, output, profile
from vault.client import CareClient, OpenedContact, ProvisioningClient
from vault.client.contacts import ContactReader

_CLIENTS: Final[dict[str, type[ContactReader]]] = {"provisioning": ProvisioningClient, "care": CareClient}
_FIELDS: Final = ("name", "street", "city", "region", "postal_code", "country_code", "phone", "email")


@click.command()
@click.argument("customer_id", metavar="CUSTOMER_ID")
@click.option("--purpose", help="What for; may be left out where the role has one usual purpose.")
@options.client_options
def command(customer_id: str, purpose: str | None, home: Path, role: str | None) -> None:
    """Show a customer's contact, as provisioning unless --as names another role.

    Billing gets name and address, which it opens here; who has no purpose for contacts is refused.

    Example:
      customer-vault contact show 42
      customer-vault contact show 42 --as billing
    """
    role = role or "provisioning"
    if role == billing.ROLE:
        contact = billing.run(home, role, lambda vault: vault.get_contact(customer_id))
    else:
        kind = _CLIENTS.get(role, ContactReader)
        contact = profile.run(home, role, kind, lambda vault: vault.get_contact(customer_id, purpose=purpose))
    output.emit(values(contact), lambda: output.pairs(values(contact)))


def values(contact: OpenedContact) -> dict[str, str]:
    """A contact's fields that came, and when they were written."""
    found = {"record_name": contact.record_name}
    found |= {name: getattr(contact, name) for name in _FIELDS}
    found["update_time"] = moments.iso(contact.update_time)
    return {name: value for name, value in found.items() if value}
