"""pins.json is read strictly, and nothing but what it lists is accepted."""

import json
from pathlib import Path
from typing import Any

import pytest

from vault.client import pins
from vault.client.errors import PinMismatch
from vault.client.pins import Pins
from vault.crypto.hpke import PurposeKeyPair, new_seed
from vault.errors import ConfigError

PAIR, NEXT = PurposeKeyPair(new_seed()), PurposeKeyPair(new_seed())


def document() -> dict[str, Any]:
    """A good file."""
    return {
        "vault_id": "00" * 16,
        "fields": {"payment.card_number": {"current": "payment_processing", "former": ["mail+payment_processing"]}},
        "purposes": {"payment_processing": {"current": PAIR.fingerprint.hex(), "next": NEXT.fingerprint.hex()}},
        "logs": {"vault.example/log-0": "11" * 32},
    }


def load(tmp_path: Path, content: dict[str, Any] | str) -> Pins:
    """Through a file."""
    file = tmp_path / "pins.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return pins.load(file)


def test_a_good_file_says_what_is_accepted(tmp_path: Path) -> None:
    """One audience to seal for, former ones only for opening, two keys."""
    good = load(tmp_path, document())
    field = "payment.card_number"
    assert good.audience_to_seal(field) == "payment_processing"
    assert good.may_open(field, "payment_processing")
    assert good.may_open(field, "mail+payment_processing")
    assert not good.may_open(field, "mail")
    assert not good.may_open("payment.expiry", "payment_processing")
    assert good.readable_by(field, "mail")
    assert not good.readable_by(field, "payment")
    assert good.check_recipient("payment_processing", PAIR.public_key).fingerprint == PAIR.fingerprint
    assert good.check_recipient("payment_processing", NEXT.public_key).fingerprint == NEXT.fingerprint
    good.check_vault(bytes(16))


def test_everything_else_is_refused(tmp_path: Path) -> None:
    """Another key, purpose, field or vault."""
    good = load(tmp_path, document())
    other = PurposeKeyPair(new_seed()).public_key
    for key in (other, b"", PAIR.public_key[:-1], bytes(1216)):
        with pytest.raises(PinMismatch):
            good.check_recipient("payment_processing", key)
    with pytest.raises(PinMismatch):
        good.check_recipient("mail", PAIR.public_key)
    with pytest.raises(PinMismatch):
        good.audience_to_seal("payment.expiry")
    with pytest.raises(PinMismatch):
        good.check_vault(b"\1" * 16)


def change(*path: str, to: object) -> dict[str, Any]:
    """The good file with one value changed."""
    changed = document()
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return changed


FIELD = ("fields", "payment.card_number")
PURPOSE = ("purposes", "payment_processing")


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("", ""),
        ("[]", ""),
        ('{"vault_id": "00", "vault_id": "00"}', ""),
        (change("extra", to=1), ""),
        ({"vault_id": "00" * 16}, ""),
        (change("vault_id", to="00" * 15), "vault_id"),
        (change("vault_id", to="0" * 31 + "G"), "vault_id"),
        (change("vault_id", to="A0" * 16), "vault_id"),
        (change("vault_id", to=7), "vault_id"),
        (change("fields", to=[]), "fields"),
        (change(*FIELD, to={"current": "a"}), "fields.payment.card_number"),
        (change("fields", "card_number", to={"current": "a", "former": []}), "fields.card_number"),
        (change(*FIELD, "current", to=None), "fields.payment.card_number.current"),
        (change(*FIELD, "current", to="b+a"), "fields.payment.card_number.current"),
        (change(*FIELD, "current", to="a+a"), "fields.payment.card_number.current"),
        (change(*FIELD, "former", to="a"), "fields.payment.card_number.former"),
        (change(*FIELD, "former", to=["b+a"]), "fields.payment.card_number.former"),
        (change(*PURPOSE, "current", to=None), "purposes.payment_processing.current"),
        (change(*PURPOSE, "next", to="00"), "purposes.payment_processing.next"),
        (change("purposes", "Payment", to={"current": "00" * 32, "next": None}), "purposes.Payment"),
        (change("logs", "vault.example/log-0", to="11"), "logs.vault.example/log-0"),
    ],
)
def test_a_file_with_one_mistake_is_refused_whole(tmp_path: Path, content: dict[str, Any] | str, key: str) -> None:
    """The error names the file and the key."""
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, content)
    assert refused.value.key == key
    assert refused.value.file.endswith("pins.json")


def test_fields_of_a_newer_release_are_allowed(tmp_path: Path) -> None:
    """Pins are handed out before callers are upgraded."""
    assert load(tmp_path, change("fields", "new.field", to={"current": "a", "former": []})).may_open("new.field", "a")
