"""A deny-list is read whole or refused whole."""

from pathlib import Path

import pytest

from vault.errors import ConfigError
from vault.pki import deny


def test_serials_comments_and_blank_lines_are_read() -> None:
    """Either case of hex, spaces around, Windows line ends, a comment with a Unicode line break."""
    data = "# stolen\r\n\n  3F6A \t\n00ab # mail's\u2028old host\n".encode() + b"f" * 40
    assert deny.parse(data, file="deny.txt") == {0x3F6A, 0xAB, 16**40 - 1}


def test_an_empty_file_denies_nobody() -> None:
    """The state of a new vault."""
    assert deny.parse(b"", file="deny.txt") == frozenset()


@pytest.mark.parametrize(
    "line",
    [
        b"xyz",
        b"0x12",
        b"12 34",
        b"12:34",
        b"-1",
        b"0",
        b"00",
        b"f" * 41,
        b"serial=12",
        b"spiffe://",
        b"spiffe://vault.example",
        b"spiffe://Vault.example/billing",
        "\u0663".encode(),
        b"\xef\xbb\xbf12",
    ],
)
def test_one_bad_line_refuses_the_list_and_is_named(line: bytes) -> None:
    """To skip it would let in the certificate that somebody meant to shut out."""
    with pytest.raises(ConfigError) as caught:
        deny.parse(b"12\n# fine\n" + line + b"\n34\n", file="deny.txt")
    assert (caught.value.file, caught.value.key) == ("deny.txt", "line 3")


def test_bytes_that_are_no_text_are_refused() -> None:
    """A damaged file is not an empty one."""
    with pytest.raises(ConfigError, match=r"^deny\.txt: is not UTF-8 text$"):
        deny.parse(b"12\n\xff\xfe", file="deny.txt")


def test_loading_again_sees_the_change(tmp_path: Path) -> None:
    """Nothing is kept between two loads."""
    path = tmp_path / "deny.txt"
    path.write_text("12\n")
    assert deny.load(path) == {0x12}
    path.write_text("12\n34\n")
    assert deny.load(path) == {0x12, 0x34}


def test_a_missing_list_is_not_an_empty_list(tmp_path: Path) -> None:
    """A mistyped path must not re-admit everybody."""
    with pytest.raises(ConfigError, match="No such file"):
        deny.load(tmp_path / "deny.txt")


def test_a_name_may_stand_beside_serials() -> None:
    """It is taken as certificates have it: one spelling."""
    name = "spiffe://vault.example/billing"
    assert deny.parse(f"{name}  # left\n12\n".encode(), file="deny.txt") == {name, 0x12}


def test_a_list_that_breaks_off_takes_nothing_back(tmp_path: Path) -> None:
    """A file that is written in place is empty for a moment, and for ever if the disk is full."""
    path = tmp_path / "deny.txt"
    for text in ("", "12", "# lost\n12\n3"):
        path.write_text(text)
        with pytest.raises(ConfigError, match="leaves out 1 that are in force"):
            deny.again(path, frozenset({0x12, 0x34}) if text else frozenset({0x12}))
    path.write_text("12\n")
    assert deny.again(path, frozenset({0x12, 0x34})) == {0x12}
    path.write_text("# nobody\n")
    assert deny.again(path, frozenset({0x12})) == frozenset()
    path.write_text("12\n34")
    assert deny.again(path, frozenset({0x12})) == {0x12, 0x34}
