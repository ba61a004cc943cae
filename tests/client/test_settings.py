"""A caller's folder is read strictly, and a key that others can read is refused."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vault.client import settings
from vault.client.settings import Settings
from vault.crypto.hpke import PurposeKeyPair
from vault.domain.secret import Secret
from vault.errors import ConfigError
from vault.pki import spiffe
from vault.pki.authority import DevelopmentCA

LINES = {
    "target": '"127.0.0.1:7443"',
    "server_name": '"localhost"',
    "certificate": '"cert.pem"',
    "private_key": '"key.pem"',
    "ca": '"ca.pem"',
    "pins": '"pins.json"',
}


def certificate(begins: timedelta, lasts: timedelta = timedelta(days=10)) -> bytes:
    """A caller's, valid from so long from now and for so long."""
    domain = spiffe.parse_trust_domain("vault.example")
    at = datetime.now(UTC).replace(microsecond=0) + begins
    issued = DevelopmentCA.create(domain, at).issue(spiffe.parse("spiffe://vault.example/care"), now=at, lifetime=lasts)
    return issued.cert_pem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good folder."""
    pins = {"vault_id": "00" * 16, "fields": {}, "purposes": {}, "logs": {}}
    (tmp_path / "pins.json").write_text(json.dumps(pins))
    for name, content in (("ca.pem", "ca"), ("key.pem", "key"), ("a.key", "aa" * 32 + "\n")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    (tmp_path / "cert.pem").write_bytes(certificate(timedelta()))
    (tmp_path / "b.key").write_text("bb" * 32)
    (tmp_path / "b.key").chmod(0o400)
    return tmp_path


def load(folder: Path, extra: str = "", **lines: str | None) -> Settings:
    """With some lines of client.toml changed or left out."""
    text = "\n".join(f"{key} = {value}" for key, value in (LINES | lines).items() if value is not None)
    (folder / "client.toml").write_text(f"{text}\n{extra}")
    return settings.load(folder)


def test_a_good_folder(folder: Path) -> None:
    """Every part arrives; paths start at the folder."""
    read = load(folder, 'state = "witness.json"\n[purpose_keys]\npayment_processing = ["a.key", "b.key"]')
    assert (read.target, read.server_name, read.ca) == ("127.0.0.1:7443", "localhost", b"ca")
    assert read.certificate == (folder / "cert.pem").read_bytes()
    assert read.private_key.reveal() == b"key"
    assert read.state == folder / "witness.json"
    fingerprints = [pair.fingerprint for pair in read.purpose_keys["payment_processing"]]
    assert fingerprints == [PurposeKeyPair(Secret(bytes([b]) * 32)).fingerprint for b in (0xAA, 0xBB)]
    assert settings.load(folder / "client.toml").target == read.target


def test_one_key_needs_no_list(folder: Path) -> None:
    """The usual case."""
    read = load(folder, '[purpose_keys]\npayment_processing = "a.key"')
    assert len(read.purpose_keys["payment_processing"]) == 1


def test_a_repr_shows_no_key(folder: Path) -> None:
    """Neither the TLS key nor a purpose's."""
    shown = repr(load(folder, '[purpose_keys]\npayment_processing = "a.key"'))
    assert "b'key'" not in shown
    assert "aa" * 16 not in shown


@pytest.mark.parametrize(
    ("begins", "why"),
    [
        (timedelta(days=-10, minutes=-1), r"cert\.pem: expired on 20..-..-.. ..:.. UTC: ask the operator"),
        (timedelta(days=1), r"cert\.pem: is not valid before 20..-..-.. ..:.. UTC: is the clock right"),
    ],
    ids=["expired", "not yet"],
)
def test_a_certificate_that_is_not_valid_now_is_refused(folder: Path, begins: timedelta, why: str) -> None:
    """Before a connection that the vault would drop without a word."""
    (folder / "cert.pem").write_bytes(certificate(begins))
    with pytest.raises(ConfigError, match=why):
        load(folder)


@pytest.mark.parametrize("content", [b"", b"cert", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(folder: Path, content: bytes) -> None:
    """A key in its place, say, or half of a file."""
    (folder / "cert.pem").write_bytes(content)
    with pytest.raises(ConfigError, match=r"cert\.pem: must be a certificate in PEM"):
        load(folder)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
@pytest.mark.parametrize("name", ["key.pem", "a.key"])
def test_a_key_that_others_can_open_is_refused(folder: Path, name: str, mode: int) -> None:
    """It must be taken as known."""
    (folder / name).chmod(mode)
    with pytest.raises(ConfigError) as refused:
        load(folder, '[purpose_keys]\npayment_processing = "a.key"')
    assert refused.value.file == str(folder / name)


@pytest.mark.parametrize("content", ["", "aa" * 31, "AA" * 32, "aa" * 32 + "\n\n", "zz" * 32, "\xff"])
def test_a_malformed_seed_is_refused_and_not_shown(folder: Path, content: str) -> None:
    """The error names the file and what belongs in it."""
    (folder / "a.key").write_text(content)
    with pytest.raises(ConfigError, match=r"a\.key: must be 32 bytes in lower-case hex$"):
        load(folder, '[purpose_keys]\npayment_processing = "a.key"')


@pytest.mark.parametrize("key", sorted(LINES))
def test_every_line_is_needed(folder: Path, key: str) -> None:
    """Left out, empty, or no text."""
    for value in (None, '""', "7", r'"a\u0000b"'):
        with pytest.raises(ConfigError) as refused:
            load(folder, "", **{key: value})
        assert refused.value.key == key


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ('stat = "x"', "stat"),
        ("state = 7", "state"),
        ("purpose_keys = 7", "purpose_keys"),
        ('[purpose_keys]\nPayment = "a.key"', "purpose_keys.Payment"),
        ("[purpose_keys]\npayment_processing = 7", "purpose_keys.payment_processing"),
        ("[purpose_keys]\npayment_processing = []", "purpose_keys.payment_processing"),
        ('[purpose_keys]\npayment_processing = ["a.key", ""]', "purpose_keys.payment_processing"),
        ("= 7", ""),
    ],
)
def test_unknown_or_malformed_lines_are_refused(folder: Path, extra: str, key: str) -> None:
    """A misspelled setting would silently do less."""
    with pytest.raises(ConfigError) as refused:
        load(folder, extra)
    assert (refused.value.key, refused.value.file) == (key, str(folder / "client.toml"))


@pytest.mark.parametrize("name", ["cert.pem", "key.pem", "ca.pem", "pins.json"])
def test_a_missing_or_odd_file_is_named(folder: Path, name: str) -> None:
    """Missing, a folder, or far too large."""
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=name):
        load(folder)
    (folder / name).mkdir()
    with pytest.raises(ConfigError, match=name):
        load(folder)
    (folder / name).rmdir()
    (folder / name).write_bytes(bytes((1 << 20) + 1))
    (folder / name).chmod(0o600)
    with pytest.raises(ConfigError, match="too large"):
        load(folder)
