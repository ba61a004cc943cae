"""gateway.toml is read as a whole or not at all, and says what is wrong by its key."""

from pathlib import Path

import pytest

from vault.cli.deployment import documents
from vault.errors import ConfigError
from vault.gateway import settings
from vault.gateway.next_hop import Address
from vault.gateway.session import Speech

GOOD = 'hostname = "gw.example.org"\n[front]\nlmtp = "127.0.0.1:10024"\n[relay]\nnext_hop = "smtp:127.0.0.1:10026"\n'


def _file(folder: Path, text: str) -> Path:
    file = folder / "gateway.toml"
    file.write_text(text)
    return file


def test_what_init_writes_is_read(tmp_path: Path) -> None:
    """Every key of it is one that there is."""
    found = settings.load(_file(tmp_path, documents.gateway_toml()))
    assert found.relay.address == Address("127.0.0.1", 10026, Speech.SMTP)
    assert found.owners is not None
    assert found.owners.file == "owners"


def test_an_ipv6_hop_is_written_in_brackets(tmp_path: Path) -> None:
    """And used without."""
    found = settings.load(_file(tmp_path, GOOD.replace("smtp:127.0.0.1:10026", "lmtp:[::1]:24")))
    assert found.relay.address == Address("::1", 24, Speech.LMTP)


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("127.0.0.1:10024", "0.0.0.0:10024", "front.lmtp"),
        ("127.0.0.1:10024", "localhost:10024", "front.lmtp"),
        ("127.0.0.1:10024", "127.0.0.1:70000", "front.lmtp"),
        ("lmtp =", "lntp =", "front.lntp"),
        ('lmtp = "127.0.0.1:10024"', "", "front"),
        ("smtp:127", "127", "relay.next_hop"),
        ("smtp:127.0.0.1", "smtp:192.0.2.1", "relay.next_hop"),
        ("gw.example.org", "gw", "hostname"),
        ("[front]", "[front]\nmax_size = 10", "front.max_size"),
        ("[relay]", "[relay]\nworkers = '4'", "relay.workers"),
        ("[front]", "[owners]\n[front]", "owners"),
        ("[front]", "[owners]\nfile = 'a'\ncommand = ['b']\n[front]", "owners"),
        ("[front]", "[[front]", ""),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, before: str, after: str, key: str) -> None:
    """And its value is not repeated."""
    with pytest.raises(ConfigError) as error:
        settings.load(_file(tmp_path, GOOD.replace(before, after)))
    assert error.value.key == key
    assert "192.0.2.1" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(ConfigError, match=r"gateway\.toml: cannot be read"):
        settings.load(tmp_path / "gateway.toml")
