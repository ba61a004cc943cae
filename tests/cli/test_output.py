"""What is printed: whole in a pipe, and unable to play tricks on a terminal."""

import click
import pytest
from click.testing import CliRunner

from vault.cli import moments, output


def printed(*rows: tuple[str, str]) -> str:
    """A table as a pipe gets it."""

    @click.command()
    def show() -> None:
        output.table(("name", "value"), rows, empty="nothing")

    return CliRunner().invoke(show).output


def test_a_table_in_a_pipe_is_plain_columns_that_cut_nothing_off() -> None:
    """Lines of a report may be long; grep wants all of them."""
    long = "x" * 300
    assert printed(("a", long), ("bb", "c")) == f"name  value\na     {long}\nbb    c\n"


def test_an_empty_table_says_so() -> None:
    """Nothing at all would leave its reader in doubt."""
    assert printed() == "nothing\n"


@pytest.mark.parametrize("trick", ["\x1b[2J", "\r", "\x07", "\x9b1m", "\u202e", "\u2066"])
def test_data_cannot_redraw_a_terminal_or_turn_its_text(trick: str) -> None:
    """A customer chooses what a name is."""
    assert output.clean(f"Ada{trick}x").startswith("Ada\ufffd")
    assert trick not in printed(("name", f"Ada{trick}x"))


def test_letters_of_all_scripts_are_left_alone() -> None:
    """The joiner of Persian and emoji is no trick."""
    text = "Zoë 王小明 \u0645\u06cc\u200c\u062e\u0648"
    assert output.clean(text) == text


def test_times_are_utc_and_absent_ones_empty() -> None:
    """One spelling everywhere."""
    assert moments.iso_ms(1_700_000_000_123) == "2023-11-14T22:13:20Z"
    assert moments.iso_ms(0) == moments.iso(None) == ""


def test_one_is_not_many() -> None:
    """A number has the word that goes with it."""
    said = [output.count(number, "entry", "entries") for number in (0, 1, 2)]
    assert said == ["0 entries", "1 entry", "2 entries"]
    assert [output.count(number, "row") for number in (1, 2)] == ["1 row", "2 rows"]
