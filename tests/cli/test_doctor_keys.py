"""Doctor on keys: each purpose has one in use, and none is forgotten until it is too old."""

import time
from pathlib import Path
from typing import Any

import pytest

from vault.cli.deployment.layout import Layout
from vault.cli.doctor.checks import keys
from vault.cli.doctor.examine import Examined, Finding, State
from vault.policy.load import DEFAULT, load
from vault.service.settings import Settings
from vault.v1.key_service_pb2 import (
    CUSTODY_CALLER,
    CUSTODY_VAULT,
    KEY_STATE_ACTIVE,
    KEY_STATE_DEACTIVATED,
    KeyState,
    ListKeysResponse,
    PurposeKey,
    VaultKey,
)

PURPOSES = [purpose for purpose, rule in load(DEFAULT).purposes.items() if rule.custody.value != "none"]


def days_ago(days: int) -> int:
    """Milliseconds since 1970."""
    return int((time.time() - days * 86_400) * 1000)


def listed(
    *purposes: str, age: int = 0, vault_age: int = 0, state: KeyState.ValueType = KEY_STATE_ACTIVE
) -> ListKeysResponse:
    """What the server says of its keys."""
    made = days_ago(age)
    return ListKeysResponse(
        purpose_keys=[PurposeKey(purpose=p, version=1, state=state, create_time_ms=made) for p in purposes],
        vault_keys=[VaultKey(version=1, state=KEY_STATE_ACTIVE, create_time_ms=days_ago(vault_age))],
    )


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The findings on a list of keys."""
    content = {
        "server": {"certificate": "c", "private_key": "k", "client_ca": "a"},
        "vault": {"trust_domain": "vault.example", "policy": str(DEFAULT)},
        "storage": {"data": "d", "keys": "e"},
        "root_key": {"path": "r"},
    }
    at = Examined(Layout(tmp_path), Settings.parse(content, tmp_path / "vault.toml"))

    def check(response: ListKeysResponse) -> list[Finding]:
        monkeypatch.setattr("vault.cli.profile.run", lambda *_: response)
        return list(keys.check(at))

    return check


def test_a_key_for_each_purpose_is_well(found: Any) -> None:
    """One line for all."""
    (finding,) = found(listed(*PURPOSES))
    assert finding.state is State.OK


def test_a_purpose_without_a_key_in_use_is_a_problem(found: Any) -> None:
    """Whatever has it in its audience cannot be written."""
    findings = found(listed(*PURPOSES[1:]))
    assert [(f.state, f.what.split()[0]) for f in findings] == [(State.PROBLEM, PURPOSES[0])]
    assert found(listed(*PURPOSES, state=KEY_STATE_DEACTIVATED))[0].state is State.PROBLEM


@pytest.mark.parametrize(("ages", "warned"), [((366, 0), len(PURPOSES)), ((0, 31), 1), ((364, 29), 0)])
def test_a_key_past_its_period_is_a_warning(found: Any, ages: tuple[int, int], warned: int) -> None:
    """A year for a purpose's key, a month for the vault key."""
    findings = found(listed(*PURPOSES, age=ages[0], vault_age=ages[1]))
    assert sum(f.state is State.WARNING for f in findings) == warned


def test_no_command_is_advised_that_is_not_there(found: Any) -> None:
    """The vault's own keys cannot be replaced yet; a caller replaces its own by the SDK."""
    keys = listed("account_service", "payment_processing", age=400, vault_age=400)
    keys.purpose_keys[0].custody, keys.purpose_keys[1].custody = CUSTODY_VAULT, CUSTODY_CALLER
    remedies = [finding.remedy for finding in found(keys) if finding.state is State.WARNING]
    assert [remedy.partition(":")[0] for remedy in remedies] == [
        "no command rotates it yet, so an erasure reaches key-store backups only when they are deleted",
        "nothing to do",
        "its holder registers a new version with the SDK",
    ]
