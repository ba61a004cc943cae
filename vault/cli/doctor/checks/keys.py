"""Keys: does every purpose have one in use, and how old are they?"""

from collections.abc import Iterator
from typing import Final

from vault.cli import moments, profile
from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.client import OperatorClient
from vault.errors import DeadlineExceeded, OutcomeUnknown, Unavailable
from vault.keyring.periods import PURPOSE_KEY_DAYS, VAULT_KEY_DAYS
from vault.policy.load import load
from vault.v1.key_service_pb2 import CUSTODY_CALLER, KEY_STATE_ACTIVE, ListKeysResponse

_NO_ROTATION: Final = (
    "no command rotates it yet, so an erasure reaches key-store backups only when they are deleted: keep them for days"
)
_BY_SDK: Final = "its holder registers a new version with the SDK: register_purpose_key, then reseal_epochs"


def check(at: Examined) -> Iterator[Finding]:
    """Ask the running server, as the operator."""
    if at.settings is None:
        return
    try:
        keys = profile.run(at.layout.home, "operator", OperatorClient, lambda vault: vault.list_keys())
    except (Unavailable, OutcomeUnknown, DeadlineExceeded):
        yield Finding(State.UNCHECKED, "the server does not answer", f"customer-vault serve {at.layout.home}")
        return
    active = {key.purpose for key in keys.purpose_keys if key.state == KEY_STATE_ACTIVE}
    missing = [p for p, rule in load(at.settings.vault.policy).purposes.items() if rule.custody.value != "none"]
    missing = [purpose for purpose in missing if purpose not in active]
    for purpose in missing:
        yield Finding(
            State.PROBLEM,
            f"{purpose} has no active key: nothing can be written for it",
            "register its public key, and name its fingerprint in policy.toml",
        )
    old = list(_old(keys))
    yield from old
    if not missing and not old:
        yield ok(f"{len(active)} purposes have a key in use; none is past its period")


def _old(keys: ListKeysResponse) -> Iterator[Finding]:
    for vault_key in keys.vault_keys:
        age = moments.days_since(vault_key.create_time_ms)
        if vault_key.state == KEY_STATE_ACTIVE and age > VAULT_KEY_DAYS:
            yield Finding(State.WARNING, f"vault key {vault_key.version} is {age} days old", _NO_ROTATION)
    for key in keys.purpose_keys:
        age = moments.days_since(key.create_time_ms)
        if key.state == KEY_STATE_ACTIVE and age > PURPOSE_KEY_DAYS:
            remedy = _BY_SDK if key.custody == CUSTODY_CALLER else "nothing to do: no command replaces it yet"
            yield Finding(State.WARNING, f"the key of {key.purpose} is {age} days old", remedy)
