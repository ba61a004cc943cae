"""The client with which cards are read, also by a caller who may not.

Only billing holds the key of payment_processing. For any other role a fresh key takes its place, so that the call is
really made and really refused by the vault, with its reason; a vault that answered nevertheless would give envelopes
that a fresh key does not open.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from vault.cli import profile
from vault.client import BillingClient
from vault.client.billing import PURPOSE
from vault.crypto.hpke import PurposeKeyPair, new_seed

ROLE: Final = "billing"

_Result = TypeVar("_Result")


def run(home: Path, role: str | None, work: Callable[[BillingClient], Awaitable[_Result]]) -> _Result:
    """As `profile.run`, for billing or for whoever tries."""
    settings = profile.settings_of(home, role or ROLE)
    if PURPOSE not in settings.purpose_keys:
        settings = replace(settings, purpose_keys={**settings.purpose_keys, PURPOSE: (PurposeKeyPair(new_seed()),)})
    return profile.run_with(settings, BillingClient, work)
