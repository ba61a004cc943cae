"""A partner asks for the customer: only while the customer wants it."""

from vault.cli import profile
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Stage
from vault.client import OfficerClient, PartnerClient
from vault.errors import PermissionDenied

_OFFERS = "partner_offers"


def run(stage: Stage, say: Screen) -> None:
    """Ask before consent, with it, and after it was withdrawn."""
    say.claim("the partner is refused: nobody has agreed", held=_read(stage) is None)
    _says(stage, "given", "2026-11")
    say.claim("the customer agrees to partner_offers; the partner reads", held=_read(stage) == stage.one.name)
    _says(stage, "withdrawn", "")
    after = _read(stage)
    found = profile.run(stage.home, "officer", OfficerClient, lambda vault: vault.get_statements(stage.one.customer_id))
    reads = sum(each.records for each in found.reads if each.purpose == _OFFERS)
    say.claim(
        f"the customer withdraws it: refused at once; of the partner's reads the customer is shown {reads}",
        held=after is None and reads == 1,
    )


def _says(stage: Stage, state: str, notice: str) -> None:
    one = stage.one.customer_id
    profile.run(
        stage.home,
        "officer",
        OfficerClient,
        lambda vault: vault.set_consent(one, _OFFERS, state, channel="web_form", notice_version=notice),
    )


def _read(stage: Stage) -> str | None:
    """The customer's name as the partner reads it; None is a refusal."""
    one = stage.one.customer_id
    try:
        contact = profile.run(
            stage.home, "partners", PartnerClient, lambda vault: vault.get_contact(one, fields=["name"])
        )
    except PermissionDenied:
        return None
    return contact.name
