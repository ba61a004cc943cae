"""Whose mail it is: the customer's if a file or a program says so, the domain's if not; never a guess."""

import os
import stat
from pathlib import Path

import pytest

from vault.errors import ConfigError, InvalidArgument, Unavailable
from vault.gateway.owners import ByCommand, ByDomain, ByFile

HOST = "gateway.example.org"


@pytest.mark.parametrize(
    ("address", "owner"),
    [
        ("ann@Example.ORG", "domains/example.org"),
        ("ann@b\u00fccher.example", "domains/xn--bcher-kva.example"),
        ('"a@b"@example.org', "domains/example.org"),
        ("root", f"domains/{HOST}"),
        ("root@localhost", f"domains/{HOST}"),
        ("ann@[192.0.2.1]", f"domains/{HOST}"),
        ("ann@under_score.example", f"domains/{HOST}"),
    ],
)
async def test_an_unknown_address_is_its_domains(address: str, owner: str) -> None:
    """In the one form that domains have; what has none that could own anything is the gateway's own."""
    assert await ByDomain(HOST).owner_of(address) == owner


def test_a_gateway_has_a_full_name() -> None:
    """Or it could own nothing."""
    with pytest.raises(ConfigError, match="full domain name"):
        ByDomain("localhost")


async def test_a_file_says_it_and_is_read_when_it_changes(tmp_path: Path) -> None:
    """Address before domain, without regard to capitals."""
    file = tmp_path / "owners"
    file.write_text("# whose\nAnn@example.org 42 # hers\n\n@shop.example c-7\n")
    owners = ByFile(file, ByDomain(HOST))
    assert await owners.owner_of("ann@EXAMPLE.org") == "customers/42"
    assert await owners.owner_of("any@shop.example") == "customers/c-7"
    assert await owners.owner_of("bob@example.org") == "domains/example.org"
    file.write_text("bob@example.org 43\nann@shop.example 44\n@shop.example 45\n")
    assert await owners.owner_of("bob@example.org") == "customers/43"
    assert await owners.owner_of("ann@shop.example") == "customers/44"


@pytest.mark.parametrize("line", ["ann@example.org", "ann 42", "ann@example.org 4 2", "ann@example.org not/an/id"])
def test_a_line_that_says_nothing_is_named(tmp_path: Path, line: str) -> None:
    """By its number; no address is repeated."""
    file = tmp_path / "owners"
    file.write_text(f"# one\n{line}\n")
    with pytest.raises(ConfigError, match="line 2") as error:
        ByFile(file, ByDomain(HOST))
    assert "ann@" not in error.value.why


async def test_a_file_that_goes_away_makes_nobody_an_owner(tmp_path: Path) -> None:
    """An error, and so 451; never "nobody's"."""
    file = tmp_path / "owners"
    file.write_text("ann@example.org 42\n")
    owners = ByFile(file, ByDomain(HOST))
    file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        await owners.owner_of("ann@example.org")


def _program(folder: Path, text: str) -> tuple[str, ...]:
    program = folder / "owner-of"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return (os.fspath(program),)


async def test_a_program_is_asked_once_for_each_address(tmp_path: Path) -> None:
    """What it does not know is the domain's."""
    command = _program(tmp_path, f'read a; echo "$a" >> {tmp_path}/asked; [ "$a" = ann@example.org ] && echo 42; true')
    owners = ByCommand(command, ByDomain(HOST))
    for _ in range(2):
        assert await owners.owner_of("Ann@example.org") == "customers/42"
        assert await owners.owner_of("bob@example.org") == "domains/example.org"
    assert (tmp_path / "asked").read_text() == "ann@example.org\nbob@example.org\n"


async def test_answers_are_kept_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr("vault.gateway.owners._KEPT", 1)
    owners = ByCommand(_program(tmp_path, "echo 42"), ByDomain(HOST))
    await owners.owner_of("a@example.org")
    await owners.owner_of("b@example.org")
    assert list(owners._kept) == ["b@example.org"]


@pytest.mark.parametrize("text", ["exit 1", "sleep 5"])
async def test_a_program_that_fails_makes_nobody_an_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Nor one that does not answer, or does not start."""
    monkeypatch.setattr("vault.gateway.owners._ANSWER_S", 0.3)
    with pytest.raises(Unavailable):
        await ByCommand(_program(tmp_path, f"exec {text}"), ByDomain(HOST)).owner_of("a@example.org")
    with pytest.raises(Unavailable):
        await ByCommand((str(tmp_path / "absent"),), ByDomain(HOST)).owner_of("a@example.org")


async def test_a_program_that_says_nonsense_is_not_believed(tmp_path: Path) -> None:
    """An id has a form."""
    with pytest.raises(InvalidArgument):
        await ByCommand(_program(tmp_path, "echo customers/42"), ByDomain(HOST)).owner_of("a@example.org")
