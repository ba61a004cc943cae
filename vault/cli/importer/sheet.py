"""A CSV file: its columns, its rows by line, its digest.

The whole file is read once before anything is sent, so that a file that is no such table (another encoding, an open
quote, a column missing) is refused while nothing of it is stored. A row that is wrong by itself is only that row's
fault and left to `rows`. Errors give line numbers and names of our columns, never what the file holds: the header of a
file without a header is somebody's data.
"""

import csv
import fcntl
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from vault.errors import ConfigError

COLUMNS: Final = (
    "customer_id",
    "name",
    "street",
    "city",
    "region",
    "postal_code",
    "country_code",
    "phone",
    "email",
    "card_number",
    "card_expiry",
    "card_holder",
)
_BOM = b"\xef\xbb\xbf"
_PART: Final = 1 << 20
_OTHER_UNICODE = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the file."""

    number: int
    """The line on which it begins, from 1; the header is line 1."""
    cells: dict[str, str] | None
    """By column; None if the row has another number of cells than the header."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was read through once."""

    path: Path
    digest: str
    """SHA-256 of the file, hex."""
    columns: tuple[str, ...]
    """In the order of the file."""
    rows: int

    def lines(self) -> Iterator[Line]:
        """The rows, read again from the start.

        Raises:
            ConfigError: the file has changed since it was inspected, and is not readable any more.
        """
        with _open(self.path) as source:
            for number, cells in _parse(source, str(self.path)):
                if number > 1:
                    fits = len(cells) == len(self.columns)
                    yield Line(number, dict(zip(self.columns, cells, strict=True)) if fits else None)


def inspect(path: Path) -> Sheet:
    """Read a file through, and refuse it if it is not a table of ours.

    Raises:
        ConfigError: it cannot be read, is not UTF-8, is no CSV, or lacks a column.
    """
    columns: tuple[str, ...] = ()
    rows = 0
    with _open(path) as source:
        for number, cells in _parse(source, str(path)):
            if number == 1:
                columns = _header(cells, str(path))
            else:
                rows += 1
    if not columns:
        raise ConfigError(str(path), "", f"has no header; its first line must be: {','.join(COLUMNS)}")
    return Sheet(path, _digest(path), columns, rows)


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keep other imports away from a file while the block runs: two would race for one state.

    The lock is on the table itself, so it leaves nothing behind, however the process ends.

    Raises:
        ConfigError: it is being imported, or cannot be read.
    """
    with _open(path) as source:
        try:
            fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(str(path), "", "is being imported by another process: wait for that one") from None
        except OSError:
            pass  # a file system without locks
        yield


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with _open(path) as source:
        while part := source.read(_PART):
            digest.update(part)
    return digest.hexdigest()


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be read: {os.strerror(error.errno or 0)}") from None


def _parse(source: BinaryIO, file: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, cells) of each row that is not blank."""
    reader = csv.reader(_text(source, file), strict=True)
    begins = 1
    try:
        for cells in reader:
            if cells:
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(file, f"line {begins}", f"is no CSV: {error}") from None


def _text(source: BinaryIO, file: str) -> Iterator[str]:
    """Lines as text. A UTF-8 byte order mark, as spreadsheets write it, is no part of the first column's name."""
    start = source.read(len(_BOM))
    if start.startswith(_OTHER_UNICODE):
        raise ConfigError(file, "", "is UTF-16; save it as CSV UTF-8")
    if start != _BOM:
        source.seek(0)
    # Not a text file: its decoder reads ahead, and could not say on which line it failed.
    for number, line in enumerate(source, start=1):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise ConfigError(file, f"line {number}", "is not UTF-8; save the file as CSV UTF-8") from None
        if "\0" in text:
            raise ConfigError(file, f"line {number}", "has a zero byte; this is no CSV file")
        # A file of old Macintoshes has no newline at all; the parser takes line by line.
        yield from io.StringIO(text, newline="") if "\r" in text[:-2] else (text,)


def _header(cells: list[str], file: str) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    expected = ",".join(COLUMNS)
    missing = [name for name in COLUMNS if name not in names]
    if len(missing) == len(COLUMNS):
        hint = "separate columns by commas" if len(names) == 1 else "a header is needed"
        raise ConfigError(file, "line 1", f"{hint}; it must be: {expected}")
    if missing:
        raise ConfigError(file, "line 1", f"lacks the columns {', '.join(missing)}; leave cells empty, not columns out")
    for position, name in enumerate(names, start=1):
        if name not in COLUMNS:
            raise ConfigError(file, f"line 1, column {position}", f"is not one of {expected}; remove the column")
        if names.index(name) + 1 != position:
            raise ConfigError(file, f"line 1, column {position}", f"is named as column {names.index(name) + 1} is")
    return names
