"""Provisioning reads a contact, to set up the customer's service."""

from vault.cli import profile
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Stage
from vault.client import ProvisioningClient


def run(stage: Stage, say: Screen) -> None:
    """Read it, and compare it with what was in the table."""
    one = stage.one
    contact = profile.run(
        stage.home, "provisioning", ProvisioningClient, lambda vault: vault.get_contact(one.customer_id)
    )
    read = (contact.name, contact.street, contact.city, contact.country_code, contact.phone, contact.email)
    say.claim(
        "decrypted by the vault for service_provisioning:",
        held=read == (one.name, one.street, one.city, one.country_code, one.phone, one.email),
    )
    say.detail(", ".join(read))
