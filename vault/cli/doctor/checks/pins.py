"""Pins: do callers believe what the policy says, and hold the keys that it names?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.cli.doctor.examine import Examined, Finding, State, ok
from vault.client import pins, settings
from vault.client.pins import Pins
from vault.domain.audience import Purpose
from vault.policy.load import load
from vault.policy.model import Policy

_HAND_OUT: Final = (
    "bring pins.json in line with policy.toml (the audience before under `former`), and hand it out again"
)


def check(at: Examined) -> Iterator[Finding]:
    """The operator's pins.json against the policy; then each caller's folder that is still here."""
    if at.settings is None:
        return
    policy = load(at.settings.vault.policy)
    findings = list(_against_policy(at.layout.pins, pins.load(at.layout.pins), policy))
    folders = sorted(path.parent for path in at.layout.callers.glob("*/client.toml"))
    for folder in folders:
        findings += _of_caller(folder, policy)
    yield from findings or [ok(f"pins.json and {len(folders)} callers agree with the policy")]


def _against_policy(file: Path, pinned: Pins, policy: Policy) -> Iterator[Finding]:
    for field, rule in policy.fields.items():
        if field not in pinned.fields or pinned.fields[field].current != rule.audience:
            yield Finding(State.PROBLEM, f"{file}: {field} is pinned to another audience than the policy's", _HAND_OUT)
    for purpose, key in policy.keys.items():
        pin = pinned.purposes.get(purpose)
        if pin is None or key.current not in (pin.current, pin.next):
            yield Finding(State.PROBLEM, f"{file}: {purpose} is pinned to another key than the policy's", _HAND_OUT)


def _of_caller(folder: Path, policy: Policy) -> Iterator[Finding]:
    caller = settings.load(folder)
    yield from _against_policy(folder / "pins.json", caller.pins, policy)
    for purpose, pairs in caller.purpose_keys.items():
        rule = policy.keys.get(Purpose(purpose))
        if rule is None or all(pair.fingerprint != rule.current for pair in pairs):
            yield Finding(
                State.PROBLEM,
                f"{folder}: holds no key of {purpose} that the policy names; it cannot open what is sealed now",
                "put back the right key file, or register this key and name its fingerprint in policy.toml",
            )
