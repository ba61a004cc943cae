"""How far an import is: a bar for people, a line now and then for a log, nothing for a program."""

import sys

import click
import pytest
from click.testing import CliRunner

from vault.cli.importer import progress


def said(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, as_json: bool = False) -> str:
    """What is shown on standard error while three batches are dealt with."""

    @click.command()
    @click.pass_context
    def show(ctx: click.Context) -> None:
        ctx.meta["vault.cli.json"] = as_json
        monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
        with progress.shown(400, 100) as advance:
            for _ in range(3):
                advance(100)

    return CliRunner().invoke(show, catch_exceptions=False).stderr


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from where an earlier run stopped."""
    assert said(monkeypatch, terminal=False) == ""
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    assert said(monkeypatch, terminal=False).splitlines() == [f"{n} of 400 rows" for n in (200, 300, 400)]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes away when the import is done."""
    assert "importing" in said(monkeypatch, terminal=True)


def test_a_program_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the document."""
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)
    assert said(monkeypatch, terminal=True, as_json=True) == ""
