"""What the demo says: a title for each step, claims that were checked, and details.

A claim and its condition go through one call, so no line can say `ok` of what nobody looked at. In a pipe the lines
are plain; on a terminal they have colour, unless NO_COLOR is set (no-color.org).
"""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from vault.cli.output import clean

_INDENT = " " * 4


class NotSo(Exception):  # noqa: N818 - what is raised is that a claim is not so
    """A claim does not hold. It ends the demo and goes no further: it is no error of the vault's callers."""


@dataclass(slots=True)
class Told:
    """What one step said."""

    step: str
    title: str
    ok: bool = False
    claims: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    failed: str = ""


class Screen:
    """Takes what the steps say; prints it at once, or keeps it for a JSON document."""

    def __init__(self, *, as_json: bool) -> None:
        self.told: list[Told] = []
        self._as_json = as_json
        self._color = False if os.environ.get("NO_COLOR") else None

    def step(self, name: str, title: str) -> None:
        """Begin a step."""
        self.told.append(Told(name, title))
        self._print(f"{len(self.told)}. {title}", bold=True)

    def claim(self, text: str, *, held: bool) -> None:
        """Say that something is so.

        Raises:
            NotSo: it is not.
        """
        if not held:
            raise NotSo(text)
        self.told[-1].claims.append(text)
        self._print(text, mark="ok", fg="green")

    def detail(self, text: str) -> None:
        """Say more about the claim before."""
        self.told[-1].details.append(text)
        self._print(f"{_INDENT}   {text}", dim=True)

    def done(self) -> None:
        """End a step.

        Raises:
            NotSo: it claimed nothing.
        """
        if not self.told[-1].claims:
            raise NotSo("the step shows something")
        self.told[-1].ok = True

    def failed(self, text: str) -> None:
        """Say that the step, or the preparation of the first one, did not do what it says."""
        if not self.told:
            self.step("", "The demo itself")
        self.told[-1].failed = text
        self._print(text, mark="FAILED", fg="red", bold=True)

    def line(self, text: str) -> None:
        """Say something that belongs to no step."""
        self._print(text)

    def document(self, **more: object) -> None:
        """Print everything as JSON, if that was asked for."""
        if self._as_json:
            ok = bool(self.told) and all(told.ok for told in self.told)
            click.echo(json.dumps({"ok": ok, "steps": [asdict(told) for told in self.told], **more}))

    def _print(self, text: str, *, mark: str = "", **style: Any) -> None:  # noqa: ANN401 - click's own styles
        if self._as_json:
            return
        text = clean(text)
        # A claim is read; what is coloured is whether it holds.
        if mark:
            text = f"{_INDENT}{click.style(mark, **style)} {text}"
        elif style:
            text = click.style(text, **style)
        click.echo(text, color=self._color)
