"""For people or for programs: tables and lines, or one JSON document.

A table is plain columns; nothing is cut off or folded, so a name can be copied from any terminal and found by grep.
What comes from customers' data is cleaned before it reaches a terminal: control characters could redraw the screen, and
direction marks could reorder what a line says.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import click

from vault.cli.options import wants_json

_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def emit(document: object, human: Callable[[], None]) -> None:
    """Print the document if JSON was asked for, else let `human` print."""
    if wants_json():
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        human()


def clean(text: str) -> str:
    """Text without what moves a cursor or turns the direction of reading."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" or c in _DIRECTIONS else c for c in text)


def line(text: str, *, error: bool = False) -> None:
    """Print one line."""
    click.echo(clean(text), err=error)


def count(number: int, one: str, many: str = "") -> str:
    """A number with its word: `1 entry`, `2 entries`; without `many` an s is added."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def pairs(values: Mapping[str, str]) -> None:
    """Print names and values below each other; empty ones are left out."""
    shown = {name: value for name, value in values.items() if value}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        line(f"{name:<{width}}  {value}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print a table; `empty` is said when it has no rows."""
    if not rows:
        line(empty)
        return
    cleaned = [list(columns), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cleaned) for i in range(len(columns))]
    for number, row in enumerate(cleaned):
        text = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        # In a pipe click leaves the style out.
        click.secho(text, bold=number == 0)
