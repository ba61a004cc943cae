"""Provisioning asks for the same card, and even brings a copy of billing's key."""

from dataclasses import replace

from vault.cli import profile
from vault.cli.demo.screen import Screen
from vault.cli.demo.stage import Stage
from vault.client import BillingClient
from vault.errors import PermissionDenied
from vault.v1 import status_pb2 as status


def run(stage: Stage, say: Screen) -> None:
    """Ask, with provisioning's certificate."""
    keys = profile.settings_of(stage.home, "billing").purpose_keys
    provisioning = replace(profile.settings_of(stage.home, "provisioning"), purpose_keys=keys)
    refused: PermissionDenied | None = None
    try:
        profile.run_with(provisioning, BillingClient, lambda vault: vault.get_card(stage.card))
    except PermissionDenied as error:
        refused = error
    say.claim("refused by the vault, by this clause of the privacy policy:", held=bool(refused and refused.clause))
    if refused:
        say.detail(f'"{refused.clause}" ({status.Reason.Name(refused.reason).removeprefix("REASON_")})')
