"""The customer asks for everything that is held of them."""

import json

from vault.cli import profile
from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Stage
from vault.client import OfficerClient


def run(stage: Stage, say: Screen) -> None:
    """Export, and compare."""
    text = profile.run(stage.home, "officer", OfficerClient, lambda vault: _export(vault, stage.one.customer_id))
    try:
        found = json.loads(text)
        told = {each["purpose"] for each in found["disclosures"]}
    except (ValueError, KeyError, TypeError):
        raise NotSo("an export is JSON by its schema") from None
    say.claim(
        "a JSON document: the contact in plain, the cards as envelopes, and to whom it was disclosed",
        held=stage.one.email in text
        and stage.one.card_number not in text
        and told == {"partner_offers", "legal_disclosure"},
    )


async def _export(vault: OfficerClient, customer: str) -> str:
    return "".join([piece async for piece in vault.export_customer(customer)])
