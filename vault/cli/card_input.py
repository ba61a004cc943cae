"""A card from whoever types or pipes it, never from the command line.

Arguments stand in the shell's history and in the list of processes, where a card number must not be (PCI DSS 3.5.1).
What is typed is not echoed either.
"""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Final

import click

from vault.errors import ConfigError, InvalidArgument
from vault.v1.records_pb2 import Card

_OTHERS: Final = 0o077
_KEYS: Final = ("card_number", "expiry", "holder_name")
STANDARD_INPUT: Final = "-"


def prompted() -> Card:
    """Ask for a card on the terminal."""
    return Card(
        card_number=click.prompt("Card number (not shown)", hide_input=True, err=True),
        expiry=click.prompt("Expiry (MM/YYYY)", err=True),
        holder_name=click.prompt("Holder's name", err=True),
    )


def read(source: str) -> Card:
    """Read a card from a file of mode 0600, or from standard input if `source` is `-`.

    Raises:
        ConfigError: it cannot be read, is open to others, or is not JSON.
        InvalidArgument: it has another key, or no text where one belongs.
    """
    name = "standard input" if source == STANDARD_INPUT else source
    content = sys.stdin.buffer.read() if source == STANDARD_INPUT else _private(Path(source))
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(name, "", f"must be a JSON object with {', '.join(_KEYS)}")
    card = Card()
    for key, value in found.items():
        # An unknown key is not named: it may be a value that slipped, or a security code, which is never stored.
        if key not in _KEYS or not isinstance(value, str):
            raise InvalidArgument("card", f"must have texts under {', '.join(_KEYS)} and nothing else")
        setattr(card, key, value)
    return card


def _private(path: Path) -> bytes:
    """A file that only this user can read."""
    try:
        with path.open("rb") as source:
            # Asked of the open file, not of the path: between two look-ups a path can change hands.
            status = os.fstat(source.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(str(path), "", "is not a plain file: give one, or pipe the card to --card-file -")
            if status.st_mode & _OTHERS:
                raise ConfigError(str(path), "", "others may read this card: chmod 600, or pipe it to --card-file -")
            return source.read()
    except OSError as error:
        raise ConfigError(str(path), "", os.strerror(error.errno or 0)) from None
