"""A card comes from a prompt, a file or a pipe, never from the command line."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from vault.cli import card_input
from vault.cli.commands.customer import create
from vault.errors import ConfigError, InvalidArgument

NUMBER = "4111111111111111"
CARD = {"card_number": NUMBER, "expiry": "12/2040", "holder_name": "Ada Lovelace"}


def write(path: Path, content: str, mode: int = 0o600) -> str:
    """A file of a mode; its name."""
    path.write_text(content)
    path.chmod(mode)
    return str(path)


def test_a_file_gives_a_card(tmp_path: Path) -> None:
    """JSON with the three things that a card has."""
    card = card_input.read(write(tmp_path / "card.json", json.dumps(CARD)))
    assert (card.card_number, card.expiry, card.holder_name) == tuple(CARD.values())


def test_standard_input_gives_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a program that has it in memory."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(CARD).encode())))
    assert card_input.read("-").card_number == NUMBER


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It is called what it is, and the way around a file is told."""
    with pytest.raises(ConfigError, match="others may read this card: chmod 600, or pipe it"):
        card_input.read(write(tmp_path / "card.json", json.dumps(CARD), 0o644))


def test_what_is_no_plain_file_or_not_there_is_named(tmp_path: Path) -> None:
    """A folder, or a name with a typing error."""
    with pytest.raises(ConfigError, match=r"missing\.json: No such file"):
        card_input.read(str(tmp_path / "missing.json"))
    with pytest.raises(ConfigError, match="is not a plain file"):
        card_input.read("/dev/null")


@pytest.mark.parametrize("content", ["", "{", "[]", '"4111111111111111"', NUMBER])
def test_what_is_no_object_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    """A bare number would be the card's."""
    with pytest.raises(ConfigError) as refused:
        card_input.read(write(tmp_path / "card.json", content))
    assert NUMBER not in str(refused.value)


@pytest.mark.parametrize("changes", [{"cvv": "123"}, {"card_number": int(NUMBER)}, {NUMBER: "card_number"}])
def test_a_security_code_or_any_other_key_is_refused_without_naming_it(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    """No CVV is ever stored, not even by accident (PCI DSS 3.3.1)."""
    with pytest.raises(InvalidArgument) as refused:
        card_input.read(write(tmp_path / "card.json", json.dumps(CARD | changes)))
    assert "123" not in str(refused.value)
    assert NUMBER not in str(refused.value)


def test_what_is_typed_is_not_echoed() -> None:
    """Nor does it reach standard output, which may be a file."""

    @click.command()
    def ask() -> None:
        card = card_input.prompted()
        assert card.card_number == NUMBER

    result = CliRunner().invoke(ask, input=f"{NUMBER}\n12/2040\nAda Lovelace\n")
    assert result.exit_code == 0, result.output
    assert NUMBER not in result.output
    assert result.stdout == ""


def test_no_option_or_argument_takes_a_card_number() -> None:
    """Arguments stand in the shell's history and in the list of processes."""
    names = {option for parameter in create.command.params for option in parameter.opts}
    assert names >= {"--card", "--card-file"}
    assert next(p for p in create.command.params if "--card" in p.opts).is_flag  # type: ignore[attr-defined]
    assert not any("number" in name for name in names)
