"""The root key file."""

from pathlib import Path

import pytest

from vault.domain.secret import Secret
from vault.errors import ConfigError, OpenError
from vault.keyring.root import FileProvider


async def test_a_version_is_made_once(tmp_path: Path) -> None:
    """Mode 0600; a second creation keeps the key; another version is another key."""
    path = tmp_path / "root.key"
    provider = FileProvider(path)
    await provider.create(1)
    wrapped = await provider.wrap(1, Secret(b"vault key"), b"context")
    await provider.create(1)
    await provider.create(2)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (await provider.unwrap(1, wrapped, b"context")).reveal() == b"vault key"
    with pytest.raises(OpenError):
        await provider.unwrap(2, wrapped, b"context")


async def test_a_passphrase_keeps_the_key_out_of_the_file(tmp_path: Path) -> None:
    """The file has a salt alone; another passphrase does not open."""
    path = tmp_path / "root.key"
    provider = FileProvider(path, Secret(b"correct horse"))
    await provider.create(1)
    wrapped = await provider.wrap(1, Secret(b"vault key"), b"context")
    assert "key" not in path.read_text().replace("versions", "")
    assert (await provider.unwrap(1, wrapped, b"context")).reveal() == b"vault key"
    with pytest.raises(OpenError):
        await FileProvider(path, Secret(b"wrong")).unwrap(1, wrapped, b"context")
    with pytest.raises(ConfigError, match="passphrase"):
        await FileProvider(path).unwrap(1, wrapped, b"context")


@pytest.mark.parametrize(
    "text",
    ["", "\udcff", "{}", "[]", '{"versions": []}', '{"versions": {"1": {}}}', '{"versions": {"1": {"key": "xx"}}}'],
)
async def test_a_broken_file_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    """It says which file; nothing of its content."""
    path = tmp_path / "root.key"
    path.write_text(text, errors="surrogateescape")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"root\.key"):
        await FileProvider(path).wrap(1, Secret(b""), b"")


async def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """And says how to mend it."""
    path = tmp_path / "root.key"
    await FileProvider(path).create(1)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        await FileProvider(path).wrap(1, Secret(b""), b"")


async def test_a_missing_file_or_version_is_named(tmp_path: Path) -> None:
    """What is wanted, and where it was looked for."""
    provider = FileProvider(tmp_path / "root.key")
    with pytest.raises(ConfigError, match="cannot be read"):
        await provider.wrap(1, Secret(b""), b"")
    await provider.create(1)
    with pytest.raises(ConfigError, match=r"versions\.7"):
        await provider.wrap(7, Secret(b""), b"")
