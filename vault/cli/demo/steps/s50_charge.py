"""Billing opens the card with its own key, and charges it."""

from vault.cli import billing
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Stage
from vault.cli.demo.steps.s30_add_card import new_card
from vault.client import OpenedCard
from vault.domain.pan import digits_of, is_pan


def run(stage: Stage, say: Screen) -> None:
    """Open it here: the vault sends envelopes."""
    card = billing.run(stage.home, billing.ROLE, lambda vault: vault.get_card(stage.card))
    say.claim(
        f"19.90 EUR charged (in play) to {card.brand} ending {card.last_four}, for payment_processing",
        held=_charged(card) and card.card_number == digits_of(new_card(stage).card_number),
    )


def _charged(card: OpenedCard) -> bool:
    """What stands for the card network: it looks at the number, and takes no money."""
    return is_pan(card.card_number) and card.card_number.endswith(card.last_four)
