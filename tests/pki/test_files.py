"""Private keys are never open to others, and files are never half written."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.errors import ConfigError
from vault.pki import files


@pytest.fixture(autouse=True)
def careless_umask() -> Iterator[None]:
    """An umask that takes nothing away: what stays closed is closed by our own mode."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """The permission bits."""
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("write", [files.write_new, files.write_over])
def test_a_secret_is_created_for_its_owner_only(tmp_path: Path, write: object) -> None:
    """0600 whatever the umask."""
    assert callable(write)
    write(tmp_path / "k", b"secret", files.SECRET)
    assert (mode(tmp_path / "k"), (tmp_path / "k").read_bytes()) == (0o600, b"secret")


def test_a_directory_is_created_for_its_owner_only(tmp_path: Path) -> None:
    """0700; one that exists is kept."""
    files.make_directory(tmp_path / "d")
    files.make_directory(tmp_path / "d")
    assert mode(tmp_path / "d") == 0o700


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    """Not even through a symbolic link that points nowhere."""
    (tmp_path / "k").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for target in ("k", "link"):
        with pytest.raises(ConfigError, match="File exists"):
            files.write_new(tmp_path / target, b"new", files.SECRET)
    assert (tmp_path / "k").read_bytes() == b"old"
    assert not (tmp_path / "nowhere").exists()


def test_replacing_narrows_the_mode_and_survives_a_crash_before_it(tmp_path: Path) -> None:
    """A leftover of a crashed replacement is no obstacle, and an open old file does not stay open."""
    (tmp_path / "k").write_bytes(b"old")
    (tmp_path / "k").chmod(0o644)
    (tmp_path / ".k.new").write_bytes(b"half")
    files.write_over(tmp_path / "k", b"new", files.SECRET)
    assert (mode(tmp_path / "k"), (tmp_path / "k").read_bytes()) == (0o600, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["k"]


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_key_that_others_may_open_is_refused(tmp_path: Path, bits: int) -> None:
    """It must be taken as known; the text says what to do and not what it holds."""
    (tmp_path / "k").write_bytes(b"secret")
    (tmp_path / "k").chmod(bits)
    with pytest.raises(ConfigError, match="replace it, then chmod 600") as caught:
        files.read_secret(tmp_path / "k")
    assert "secret" not in str(caught.value)


def test_a_key_of_its_owner_is_read(tmp_path: Path) -> None:
    """0600 and 0400 are fine."""
    (tmp_path / "k").write_bytes(b"secret")
    for bits in (0o600, 0o400):
        (tmp_path / "k").chmod(bits)
        assert files.read_secret(tmp_path / "k") == b"secret"


def test_a_key_that_is_no_plain_file_is_refused() -> None:
    """A device never ends."""
    with pytest.raises(ConfigError, match="is not a plain file"):
        files.read_secret(Path("/dev/null"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Which file, and what the system says."""
    for read in (files.read, files.read_secret):
        with pytest.raises(ConfigError, match="No such file") as caught:
            read(tmp_path / "gone")
        assert caught.value.file == str(tmp_path / "gone")
