"""`init` makes all of a first vault, or nothing."""

import json
import stat
import subprocess
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509

from vault.cli.deployment import create as making
from vault.cli.deployment.layout import Address
from vault.cli.frame import root
from vault.client import settings as client_settings
from vault.errors import ConfigError, InvalidArgument
from vault.pki import spiffe
from vault.policy.load import DEFAULT, load
from vault.service.settings import Settings

ROLES = list(load(DEFAULT).roles)
CALLERS = sorted([*(role for role in ROLES if role != "approver"), "alice", "bob"])


def init(home: Path, *args: str, code: int = 0) -> str:
    """Run it in this process; what it printed, errors included."""
    result = CliRunner().invoke(root, ["init", str(home), *args])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh vault's folder, which tests only read."""
    folder = tmp_path_factory.mktemp("init") / "deep" / "vault"
    init(folder)
    return folder


def test_every_role_of_the_policy_gets_a_caller_and_approvers_are_people(home: Path) -> None:
    """Approving takes two people, so a role's certificate would not do."""
    assert sorted(path.name for path in (home / "callers").iterdir()) == CALLERS
    policy = load(home / "policy.toml", require_keys=True)
    assert policy.roles_of("spiffe://vault.example/person/alice") == {"approver"}
    assert policy.roles_of("spiffe://vault.example/billing") == {"billing"}
    assert {role for caller in policy.callers.values() for role in caller.roles} == set(ROLES)


def test_a_callers_folder_is_all_that_its_sdk_needs(home: Path) -> None:
    """Handing a service its folder is the whole deployment of a caller."""
    for folder in sorted((home / "callers").iterdir()):
        loaded = client_settings.load(folder)
        assert loaded.target == "127.0.0.1:7443"
        assert set(loaded.purpose_keys) == {path.stem for path in folder.glob("*.key")}


@pytest.mark.parametrize(
    ("caller", "purpose"),
    [("billing", "payment_processing"), ("mail", "mail_delivery"), ("legal", "legal_disclosure")],
)
def test_keys_of_callers_are_with_their_caller_and_nowhere_else(home: Path, caller: str, purpose: str) -> None:
    """The vault, its policy and its pins have the fingerprint; only the holder has the seed."""
    key = home / "callers" / caller / f"{purpose}.key"
    (pair,) = client_settings.load(key.parent).purpose_keys[purpose]
    policy = load(home / "policy.toml", require_keys=True)
    assert policy.keys[purpose].current == pair.fingerprint  # type: ignore[index]
    pins = json.loads((home / "pins.json").read_text())
    assert pins["purposes"][purpose] == {"current": pair.fingerprint.hex(), "next": None}
    seed = key.read_bytes().strip()
    everything = {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path != key}
    assert [
        path for path, content in everything.items() if seed in content or bytes.fromhex(seed.decode()) in content
    ] == []


def test_pins_name_every_field_and_every_purpose_that_has_a_key(home: Path) -> None:
    """An SDK refuses what is not pinned, so what is missing here could not be used."""
    policy = load(home / "policy.toml")
    pins = json.loads((home / "pins.json").read_text())
    assert {f: p["current"] for f, p in pins["fields"].items()} == {f: r.audience for f, r in policy.fields.items()}
    assert set(pins["purposes"]) == {p for p, rule in policy.purposes.items() if rule.custody.value != "none"}
    assert list(pins["logs"]) == ["vault.example/log/log-0"]
    for folder in (home / "callers").iterdir():
        assert (folder / "pins.json").read_bytes() == (home / "pins.json").read_bytes()


def test_nothing_is_open_to_others(home: Path) -> None:
    """Folders 0700; keys and stores 0600 each, should the folder ever be opened."""
    for path in [home, *home.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.suffix != ".pem" or path.name == "key.pem":
            assert mode == 0o600, path


def test_the_server_and_the_policy_read_what_was_written(home: Path) -> None:
    """The files are made by text, so they are read by their readers."""
    settings = Settings.load(home / "vault.toml")
    assert settings.storage.data == home / "data" / "vault.db"
    assert settings.storage.data.parent != settings.storage.keys.parent
    assert load(settings.vault.policy, require_keys=True).callers
    for file in (settings.server.certificate, settings.server.private_key, settings.server.client_ca):
        assert file.is_file()


def test_the_shipped_policy_is_there_word_for_word(home: Path) -> None:
    """What `init` adds stands below it."""
    assert (home / "policy.toml").read_text().startswith(DEFAULT.read_text())


def server_names(home: Path) -> tuple[list[str], list[str]]:
    """DNS names and addresses in the server's certificate."""
    certificate = x509.load_pem_x509_certificate((home / "server" / "cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName), [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]


@pytest.mark.parametrize(
    ("listen", "dns", "ips", "target"),
    [
        ("127.0.0.1:7443", ["localhost"], ["127.0.0.1"], "127.0.0.1:7443"),
        ("0.0.0.0:7443", ["localhost"], ["127.0.0.1"], "localhost:7443"),
        ("vault.internal:443", ["localhost", "vault.internal"], ["127.0.0.1"], "vault.internal:443"),
        ("[::1]:7443", ["localhost"], ["127.0.0.1", "::1"], "[::1]:7443"),
    ],
)
def test_callers_reach_the_server_where_it_listens(
    tmp_path: Path, listen: str, dns: list[str], ips: list[str], target: str
) -> None:
    """And its certificate has that name."""
    home = tmp_path / "vault"
    init(home, "--listen", listen, "--trust-domain", "quality.example")
    assert server_names(home) == (dns, ips)
    assert client_settings.load(home / "callers" / "billing").target == target
    assert load(home / "policy.toml").roles_of("spiffe://quality.example/care") == {"care"}


@pytest.mark.parametrize("listen", ["7443", "host", "host:99999", "::1:7443", "a b:1", "host:", "[]:1"])
def test_an_impossible_address_is_a_usage_error(tmp_path: Path, listen: str) -> None:
    """Exit code 2, and nothing made."""
    assert "host:port" in init(tmp_path / "vault", "--listen", listen, code=2)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidArgument):
        Address.parse(listen)


def test_an_impossible_trust_domain_is_a_usage_error(tmp_path: Path) -> None:
    """It would stand in every name."""
    init(tmp_path / "vault", "--trust-domain", "Vault Example", code=2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    """It may be a vault."""
    (tmp_path / "note.txt").write_text("mine")
    assert "not empty" in init(tmp_path, code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    """Nor is it replaced by a folder."""
    file = tmp_path / "vault"
    file.write_text("mine")
    assert "no folder" in init(file, code=2)
    assert file.read_text() == "mine"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    """An operator may have made it, with the rights it needs on its parent."""
    (tmp_path / "vault").mkdir()
    init(tmp_path / "vault")
    assert (tmp_path / "vault" / "vault.toml").is_file()


@pytest.mark.parametrize("step", ["certificates.issue_all", "keys.make_stores", "documents.client_toml"])
def test_what_breaks_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Half a vault could start, and lack a key."""

    def broken(*_: Any, **__: Any) -> None:
        raise ConfigError("disk", "", "is full")

    module, name = step.split(".")
    monkeypatch.setattr(getattr(making, module), name, broken)
    assert "disk: is full" in init(tmp_path / "vault", code=2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fills_up_meanwhile_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two who run init at once: one wins, whole."""
    home = tmp_path / "vault"
    original = making._write_for_callers

    def meanwhile(*args: Any, **more: Any) -> None:
        home.mkdir()
        (home / "theirs").touch()
        original(*args, **more)

    monkeypatch.setattr(making, "_write_for_callers", meanwhile)
    init(home, code=2)
    assert [path.name for path in tmp_path.rglob("*")] == ["vault", "theirs"]


def test_a_parent_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With what the system says."""
    (tmp_path / "file").touch()
    assert "cannot be made" in init(tmp_path / "file" / "vault", code=2)


def test_a_passphrase_makes_the_root_key(tmp_path: Path) -> None:
    """Then root.key holds a salt, and the settings say where the passphrase is."""
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    phrase.chmod(0o600)
    home = tmp_path / "vault"
    init(home, "--passphrase-file", str(phrase))
    assert set(json.loads((home / "root.key").read_text())["versions"]["1"]) == {"salt"}
    assert Settings.load(home / "vault.toml").root_key.passphrase_file == phrase
    assert "correct horse" not in "".join(p.read_text(errors="replace") for p in home.rglob("*") if p.is_file())


def test_a_passphrase_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    """With the way to make a good one, which is then taken; a newline at the end counts for nothing."""
    phrase = tmp_path / "phrase"
    phrase.write_text("elevenbytes\n")
    phrase.chmod(0o600)
    refused = init(tmp_path / "vault", "--passphrase-file", str(phrase), code=2)
    assert "fewer than 12 bytes" in refused
    assert "elevenbytes" not in refused
    recipe = refused.partition("is drawn: ")[2].partition("\n")[0]
    phrase.unlink()
    subprocess.run(["bash", "-c", recipe], check=True, timeout=60)
    assert len(phrase.read_bytes()) > 30
    init(tmp_path / "vault", "--passphrase-file", str(phrase))


@pytest.mark.parametrize(("content", "mode"), [("secret\n", 0o644), ("\n", 0o600)])
def test_a_passphrase_that_others_can_read_or_that_is_empty_is_refused(tmp_path: Path, content: str, mode: int) -> None:
    """Before anything is made."""
    phrase = tmp_path / "phrase"
    phrase.write_text(content)
    phrase.chmod(mode)
    assert "secret" not in init(tmp_path / "vault", "--passphrase-file", str(phrase), code=2)
    assert not (tmp_path / "vault").exists()


def test_json_names_what_programs_need(tmp_path: Path) -> None:
    """Vault, callers and the keys that are not the vault's."""
    made = json.loads(init(tmp_path / "vault", "--json"))
    assert made["home"] == str(tmp_path / "vault")
    assert made["vault_id"] == json.loads((tmp_path / "vault" / "pins.json").read_text())["vault_id"]
    assert sorted(made["callers"]) == CALLERS
    assert spiffe.parse(made["callers"]["bob"]) == "spiffe://vault.example/person/bob"
    keys = tomllib.loads((tmp_path / "vault" / "policy.toml").read_text())["keys"]
    assert made["caller_keys"] == {purpose: table["current"] for purpose, table in keys.items()}


def test_two_vaults_share_no_key(tmp_path: Path) -> None:
    """No seed, certificate or id is a constant."""
    for name in ("a", "b"):
        init(tmp_path / name)
    same = [
        path.relative_to(tmp_path / "a")
        for path in (tmp_path / "a").rglob("*")
        if path.is_file()
        and path.stat().st_size
        and path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    ]
    assert {path.name for path in same} == {"vault.toml", "client.toml", "gateway.toml", "owners"}


def test_addresses_are_read_and_written_alike() -> None:
    """An IPv6 address has brackets outside and none inside."""
    assert str(Address.parse("[::1]:7443")) == "[::1]:7443"
    assert Address.parse("[::]:1").target == "localhost:1"
    assert Address.parse("10.0.0.1:1").ip == ip_address("10.0.0.1")
