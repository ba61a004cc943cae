"""The mail engineer's commands, with a vault that runs: what waits, and every message out again."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.test_commands import here, here_json
from tests.running import RunningVault
from vault.client import MailEnvelope, sync
from vault.v1 import mail_service_pb2 as api

ENVELOPE = MailEnvelope(("ann@example.org", "bob@example.org"), "carol@example.net")
TEXT = b"Subject: hello\r\n\r\n" + b"x" * 200_000 + b"\r\n"


@pytest.fixture
def stored(running_vault: RunningVault) -> list[str]:
    """Two messages of one domain, of this test alone: the vault is shared."""
    domain = f"d{len(here_json(running_vault, 'mail', 'list')['messages'])}.example"
    with sync.MailClient.open(running_vault.home / "callers/mail") as mail:
        return [mail.store(f"domains/{domain}", ENVELOPE, [text]).record_name for text in (TEXT, b"second\r\n")]


def owner(names: list[str]) -> str:
    """Of both."""
    return names[0].partition("/messages/")[0]


def test_what_waits_is_listed_without_an_address(running_vault: RunningVault, stored: list[str]) -> None:
    """Oldest first or by size; by address too, which only this side knows."""
    said = here_json(running_vault, "mail", "list", "--owner", owner(stored))
    assert [each["record_name"] for each in said["messages"]] == stored
    assert {each["state"] for each in said["messages"]} == {"waiting"}
    assert said["queue"]["waiting"] >= 2
    assert "example.org" not in json.dumps(said)
    text = here(running_vault, "mail", "list", "--owner", owner(stored), "--by-size", "--state", "waiting").stdout
    assert text.index(stored[0]) < text.index(stored[1])
    assert f"{len(TEXT):,}" in text
    assert "2 of 2" in text
    found = here_json(running_vault, "mail", "list", "--recipient", "ANN@example.org", "--owner", owner(stored))
    assert len(found["messages"]) == 2
    none = here_json(running_vault, "mail", "list", "--recipient", "nobody@example.org")
    assert none["messages"] == []


def test_a_message_is_shown_and_its_envelope_only_if_asked_for(running_vault: RunningVault, stored: list[str]) -> None:
    """With the mail system's key, here."""
    shown = here(running_vault, "mail", "show", stored[0]).stdout
    assert "waiting" in shown
    assert "example.org" not in shown
    revealed = here_json(running_vault, "mail", "show", stored[0], "--reveal")
    assert revealed["sender"] == "carol@example.net"
    assert [each["address"] for each in revealed["recipients"]] == list(ENVELOPE.recipients)
    here(running_vault, "mail", "show", stored[0], "--as", "care", code=1)
    here(running_vault, "mail", "show", "domains/example.org/messages/none", code=1)


def test_every_message_comes_out_again(running_vault: RunningVault, stored: list[str], tmp_path: Path) -> None:
    """Byte for byte, for its reader alone, once; a second run writes what is missing."""
    said = here_json(running_vault, "mail", "export", str(tmp_path), "--owner", owner(stored))
    assert said == {"written": 2, "there_already": 0, "gone": 0, "failed": 0}
    file = tmp_path / stored[0].replace("/messages/", "/")
    text, beside = file.with_name(f"{file.name}.eml"), file.with_name(f"{file.name}.json")
    assert text.read_bytes() == TEXT
    assert stat.S_IMODE(text.stat().st_mode) == stat.S_IMODE(beside.stat().st_mode) == 0o600
    said = json.loads(beside.read_text())
    assert (said["sender"], said["recipients"][0]["address"]) == ("carol@example.net", "ann@example.org")
    text.unlink()
    again = here(running_vault, "mail", "export", str(tmp_path), "--owner", owner(stored)).stdout
    assert again.startswith("1 written, 1 there already")
    assert not list(tmp_path.rglob("*.part"))


def test_a_message_that_was_delivered_is_gone(running_vault: RunningVault, stored: list[str]) -> None:
    """And nothing of it is left to show."""
    with sync.MailClient.open(running_vault.home / "callers/mail") as mail:
        for each in mail.claim(100).messages:
            results = [api.DeliveryResult(recipient=at, state=api.RECIPIENT_STATE_DELIVERED) for at in (0, 1)]
            assert mail.complete(each.message.record_name, each.lease_id, results).gone
    assert here(running_vault, "mail", "list").stdout.startswith("no messages")
    here(running_vault, "mail", "show", stored[0], code=1)
