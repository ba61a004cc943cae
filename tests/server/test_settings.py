"""vault.toml: what is accepted, where paths lead, and how each mistake is named."""

from pathlib import Path

import pytest

from vault.errors import ConfigError
from vault.service.settings import Settings

GOOD = """
[server]
listen = "127.0.0.1:7443"
certificate = "server/cert.pem"
private_key = "server/key.pem"
client_ca = "/etc/vault/ca.pem"
reflection = true
default_deadline_seconds = 10

[vault]
trust_domain = "vault.example"
policy = "policy.toml"

[storage]
data = "data/vault.db"
keys = "keys/keys.db"

[root_key]
provider = "file"
path = "root.key"

[logging]
level = "warning"
"""


def load(folder: Path, text: str) -> Settings:
    """Settings from a file that says `text`."""
    path = folder / "vault.toml"
    path.write_text(text, encoding="utf-8")
    return Settings.load(path)


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command was started; absolute ones stay."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load(tmp_path, GOOD)
    assert settings.storage.data == tmp_path / "data/vault.db"
    assert settings.root_key.path == tmp_path / "root.key"
    assert settings.server.client_ca == Path("/etc/vault/ca.pem")


def test_a_relative_path_to_the_file_still_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later change of folder must not move the stores."""
    load(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    assert Settings.load(Path("vault.toml")).storage.keys == tmp_path / "keys/keys.db"


def test_what_is_left_out_has_the_measured_default(tmp_path: Path) -> None:
    """Sixty-four streams; no deny-list; the first log."""
    settings = load(tmp_path, GOOD)
    assert settings.server.max_concurrent_streams == 1000
    assert settings.server.deny_list is None
    assert settings.vault.log_id == "log-0"


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    """Nobody turns a switch at run time."""
    settings = load(tmp_path, GOOD)
    with pytest.raises(ValueError, match="frozen"):
        settings.server.reflection = False  # type: ignore[misc]


SECRET = "hunter2-4111111111111111"

MISTAKES = {
    "unknown key": ("reflection = true", f'refection = "{SECRET}"', "server.refection", "not a key of this file"),
    "unknown table": ("[logging]", "[loging]", "loging", "not a key of this file"),
    "missing key": ('path = "root.key"', "", "root_key.path", "is missing"),
    "not converted": ("reflection = true", f'reflection = "{SECRET}"', "server.reflection", "should be"),
    "a number for a path": ('"policy.toml"', "12", "vault.policy", "must be a path"),
    "an empty path": ('"policy.toml"', '""', "vault.policy", "must be a path"),
    "no port": ('"127.0.0.1:7443"', f'"{SECRET}"', "server.listen", "must be"),
    "port too high": ('"127.0.0.1:7443"', '"127.0.0.1:70000"', "server.listen", "must be"),
    "no host": ('"127.0.0.1:7443"', '":7443"', "server.listen", "must be"),
    "driver": ("[storage]", f'[storage]\ndriver = "{SECRET}"', "storage.driver", "should be 'sqlite'"),
    "level": ('"warning"', f'"{SECRET}"', "logging.level", "should be"),
    "trust domain": ('"vault.example"', f'"{SECRET.upper()}"', "vault.trust_domain", "not allowed here"),
    "deadline": (
        "default_deadline_seconds = 10",
        "default_deadline_seconds = 61",
        "server.default_deadline_seconds",
        "",
    ),
    "no deadline": (
        "default_deadline_seconds = 10",
        "default_deadline_seconds = 0",
        "server.default_deadline_seconds",
        "",
    ),
    "one store": ('"keys/keys.db"', '"data/vault.db"', "storage", "two files"),
    "two passphrases": (
        'path = "root.key"',
        'path = "root.key"\npassphrase_env = "X"\npassphrase_file = "y"',
        "root_key",
        "not both",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_refused_with_file_key_and_reason_but_no_value(mistake: str, tmp_path: Path) -> None:
    """The value may be a passphrase in the wrong line."""
    good, bad, key, why = MISTAKES[mistake]
    assert good in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(good, bad))
    error = caught.value
    assert error.file == str(tmp_path / "vault.toml")
    assert error.key == key
    assert why in error.why
    assert SECRET.lower() not in str(error).lower()
    assert error.__suppress_context__


def test_bad_toml_is_placed_but_not_quoted(tmp_path: Path) -> None:
    """Line and column suffice to find it."""
    with pytest.raises(ConfigError, match=r"is not TOML: look at line 2, column 12") as caught:
        load(tmp_path, f"[root_key]\npassphrase {SECRET}")
    assert SECRET not in str(caught.value)


def test_a_file_that_is_missing_or_not_text_is_named(tmp_path: Path) -> None:
    """And `init` is suggested."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read .*init"):
        Settings.load(tmp_path / "nowhere.toml")
    path = tmp_path / "latin1.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        Settings.load(path)


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::1]:7443", "localhost:7443"])
def test_names_and_both_kinds_of_addresses_can_be_listened_on(listen: str, tmp_path: Path) -> None:
    """An IPv6 address stands in brackets."""
    assert load(tmp_path, GOOD.replace("127.0.0.1:7443", listen)).server.listen == listen
