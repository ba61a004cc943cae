"""The storefront adds a card, sealed on its own side."""

from vault.cli import billing, profile
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Stage
from vault.client import Card, ProvisioningClient, StorefrontClient
from vault.domain import names as record_names
from vault.errors import PermissionDenied


def run(stage: Stage, say: Screen) -> None:
    """Add it; then the storefront tries to read it back."""
    one, new = stage.one, new_card(stage)
    added = profile.run(stage.home, "storefront", StorefrontClient, lambda vault: vault.add_card(one.customer_id, new))
    stage.card = added.record_name
    names = profile.run(stage.home, "provisioning", ProvisioningClient, lambda vault: vault.list_cards(one.customer_id))
    say.claim(
        f"customer {one.customer_id} has {len(names)} cards; the new one is {short(stage)}",
        held=len(names) == 2 and stage.card in {info.record_name for info in names},  # noqa: PLR2004 - imported, added
    )
    say.claim("the storefront itself cannot read it back", held=_refused(stage, "storefront"))


def new_card(stage: Stage) -> Card:
    """The card that is added: a test number that no imported customer has."""
    one = stage.one
    return Card(card_number="5105 1051 0510 5100", expiry=one.card_expiry, holder_name=one.card_holder)


def short(stage: Stage) -> str:
    """The card's name as it fits a line."""
    return f"{record_names.under_owner(record_names.parse_card_name(stage.card)[1])[:14]}…"


def _refused(stage: Stage, role: str) -> bool:
    try:
        billing.run(stage.home, role, lambda vault: vault.get_card(stage.card))
    except PermissionDenied:
        return True
    return False
