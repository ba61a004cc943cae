"""A policy file is read as it stands, bytes and all, or refused; nothing between."""

import hashlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.policy.policies import TEXT, added, changed
from vault.domain.audience import Custody
from vault.errors import ConfigError, InvalidArgument
from vault.pki import spiffe
from vault.policy import methods
from vault.policy.load import DEFAULT, load, parse
from vault.policy.shape import path

F1, F2, F3 = "1" * 64, "2" * 64, "a" * 64
KEYS = {
    purpose: f'[keys.{purpose}]\ncurrent = "{digit * 64}"\nrecovery = "none"'
    for purpose, digit in (("payment_processing", "1"), ("mail_delivery", "2"), ("legal_disclosure", "3"))
}
BILLING = '[callers."spiffe://vault.example/billing"]'


@pytest.mark.parametrize("purpose", KEYS)
def test_server_needs_the_key_of_each_purpose_in_custody_of_its_caller(purpose: str) -> None:
    """Otherwise the first key that somebody offers would be believed."""
    text = added("\n".join(table for name, table in KEYS.items() if name != purpose))
    parse(text, "policy.toml")
    with pytest.raises(ConfigError) as refusal:
        parse(text, "policy.toml", require_keys=True)
    assert refusal.value.key == f"keys.{purpose}"
    assert "is missing" in refusal.value.why


def test_what_init_adds_is_read() -> None:
    """Callers with their roles, keys with their fingerprints."""
    keys = "\n".join(KEYS.values()).replace('recovery = "none"', f'next = "{F3}"\nrecovery = "{"b" * 64}"', 1)
    tables = f'{BILLING}\nroles = ["billing", "care"]\n{keys}'
    policy = parse(added(tables), "policy.toml", require_keys=True)
    assert policy.roles_of("spiffe://vault.example/billing") == {"billing", "care"}
    assert policy.caller("spiffe://vault.example/billing").roles == {"billing", "care"}
    assert {name: (k.current.hex(), k.next and k.next.hex(), k.recovery) for name, k in policy.keys.items()} == {
        "payment_processing": (F1, F3, bytes.fromhex("b" * 64)),
        "mail_delivery": (F2, None, None),
        "legal_disclosure": ("3" * 64, None, None),
    }


def test_planned_method_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy need not speak of what is not served yet; it is denied then."""
    served = methods.served() - {"OrderService.SubmitOrder"}
    monkeypatch.setattr(methods, "served", lambda: served)
    text = changed("[methods.OrderService]", "SubmitOrder   =", "# SubmitOrder =")
    policy = parse(text, "policy.toml")
    assert not policy.may_call("OrderService.SubmitOrder", frozenset({"storefront"}))
    assert policy.may_call("OrderService.SaveOrderForm", frozenset({"storefront"}))


def test_digest_is_that_of_the_file(tmp_path: Path) -> None:
    """So that an auditor can compare it with `sha256sum`; line ends are as they stand."""
    file = tmp_path / "policy.toml"
    file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert load(file).digest == hashlib.sha256(file.read_bytes()).digest()
    assert load(DEFAULT).digest == hashlib.sha256(DEFAULT.read_bytes()).digest()


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, and bytes that are no text: the file is named."""
    for file, why in ((tmp_path / "missing", "cannot be read: No such file"), (tmp_path, "cannot be read: Is a dir")):
        with pytest.raises(ConfigError, match=why) as refusal:
            load(file)
        assert refusal.value.file == str(file)
    (tmp_path / "latin").write_bytes(b'# caf\xe9 = "x"')
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(tmp_path / "latin")


def test_path_is_written_as_in_toml() -> None:
    """Bare keys bare, others in quotes, so that the path can be searched in the file."""
    assert path("fields", "payment.card_number", "audience", 1) == 'fields."payment.card_number".audience[1]'
    odd = 'a"b\\c\nd é'
    assert tomllib.loads(f"{path('roles', odd)} = 1") == {"roles": {odd: 1}}


@example("spiffe://vault.example/billing")
@example("spiffe://vault.example/person/alice")
@example("spiffe://vault.example/...")
@example("spiffe://vault.example/.a/..b")
@example("spiffe://vault.example/..")
@example("spiffe://vault.example/./a")
@example("spiffe://vault.example/a/")
@example("spiffe://vault.example/a\n")
@example("spiffe://Vault.example/a")
@example("\x7f")
@example("spiffe://vault.example:1/a")
@example("spiffe://vault.example/" + "a" * 2025)
@example("spiffe://vault.example/" + "a" * 2026)
@given(st.from_regex(r"(spiffe://)?[a-zA-Z0-9._/%?#:@ é\n-]{0,30}", fullmatch=True) | st.text(max_size=20))
def test_caller_is_a_name_that_a_certificate_may_carry(name: str) -> None:
    """The policy accepts exactly the names that the reader of certificates does: no line is dead, and none doubtful."""
    try:
        spiffe.parse(name)
        known = True
    except InvalidArgument:
        known = False
    quoted = path(name) if name else '""'
    try:
        parse(added(f'[callers.{quoted}]\nroles = ["billing"]'), "policy.toml")
        assert known
    except ConfigError as refusal:
        assert not known
        assert refusal.key == path("callers", name)  # noqa: PT017 - which key is the other half of the rule


@given(st.data())
def test_damaged_policy_is_refused_or_still_a_policy(data: st.DataObject) -> None:
    """Cut out or double any piece of the file: only ConfigError escapes, and what is accepted keeps its promises."""
    lines = TEXT.splitlines(keepends=True)
    start = data.draw(st.integers(0, len(lines) - 1))
    stop = data.draw(st.integers(start, min(len(lines), start + 20)))
    piece = lines[start:stop]
    damaged = lines[:start] + data.draw(st.sampled_from([[], piece + piece, piece[::-1]])) + lines[stop:]
    try:
        policy = parse("".join(damaged), "policy.toml")
    except ConfigError:
        return
    for rule in policy.fields.values():
        assert rule.members
        assert rule.clause
        if rule.field.startswith(("payment.", "mail.")) and rule.caller_only:
            assert all(policy.purposes[p].custody is Custody.CALLER for p in rule.members)
