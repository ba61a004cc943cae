"""Legal needs the customer's phone number for a case: an order that two people approve."""

from datetime import UTC, datetime, timedelta

from vault.cli import profile
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Stage
from vault.cli.deployment.layout import PERSONS
from vault.client import ApproverClient, LegalClient, OfficerClient
from vault.errors import FailedPrecondition, PermissionDenied


def run(stage: Stage, say: Screen) -> None:
    """Request, approve, read; look at what it does not cover, and at what it keeps."""
    one = stage.one.customer_id
    ends = datetime.now(UTC) + timedelta(days=1)
    order = profile.run(
        stage.home,
        "legal",
        LegalClient,
        lambda vault: vault.request_disclosure(
            [one], ["contact.phone"], ground="legal_action", case_reference="12 O 34/26", expires_at=ends
        ),
    ).order_id
    first, second = PERSONS
    _approve(stage, order, first)
    early = _read(stage, order, "phone")
    _approve(stage, order, second)
    phone = _read(stage, order, "phone")
    say.claim(
        f"with {first}'s approval legal is refused; with {second}'s as well it reads",
        held=early is None and bool(phone),
    )
    say.claim(
        "the phone number, opened with legal's own key; the address is refused",
        held=phone == stage.one.phone and _read(stage, order, "street") is None,
    )
    kept = _kept(stage)
    profile.run(stage.home, first, ApproverClient, lambda vault: vault.reject_disclosure(order))
    say.claim(
        "while it stands the customer is not erased; closed, nothing more is read",
        held=kept and _read(stage, order, "phone") is None,
    )


def _approve(stage: Stage, order: str, person: str) -> None:
    profile.run(stage.home, person, ApproverClient, lambda vault: vault.approve_disclosure(order))


def _read(stage: Stage, order: str, field: str) -> str | None:
    """A field of the customer's contact as legal reads it; None is a refusal."""
    one = stage.one.customer_id
    try:
        contact = profile.run(
            stage.home, "legal", LegalClient, lambda vault: vault.get_contact(order, one, fields=[field])
        )
    except PermissionDenied:
        return None
    return str(getattr(contact, field))


def _kept(stage: Stage) -> bool:
    """Whether an erasure is refused."""
    try:
        profile.run(stage.home, "officer", OfficerClient, lambda vault: vault.erase_customer(stage.one.customer_id))
    except FailedPrecondition:
        return True
    return False
