"""The deny-list: certificates that are still in date but no longer believed.

gRPC for Python has no revocation API, and looks at a certificate only in the handshake: a caller
with an open connection would stay trusted for as long as it keeps the connection. So each call
asks a set in memory, and this module fills that set from a file that an operator edits::

    # billing's old host, stolen
    3F6A90C1D2   # as `openssl x509 -serial` prints it, without "serial="
    spiffe://vault.example/partners   # whoever has this name, with whatever certificate

A name is for a caller who is to be out at once, its present and future certificates; a serial for one that was lost.
A list with one bad line is refused as a whole: skipping the line would let in exactly the
certificate that somebody meant to shut out. On a reload the caller keeps the list it has.

A file that is written in place is empty or half there for a moment, and stays so when the disk is full. So `again`
refuses a list that leaves out what is in force and does not end with the end of a line, as a whole one does.

A serial is unique per authority only. If several authorities are trusted, a listed serial shuts out
whoever of theirs has it: too many by an accident of 2^-159, never too few.
"""

import re
from pathlib import Path
from typing import Final

from vault.errors import ConfigError, InvalidArgument
from vault.pki import files, spiffe

_SERIAL: Final = re.compile(r"[0-9a-fA-F]{1,40}")
"""RFC 5280 section 4.1.2.2: serials are positive and at most 20 octets."""


Denied = frozenset[int | str]
"""Serials, and SPIFFE IDs."""


def load(path: Path) -> Denied:
    """Read a deny-list file; `again` reloads.

    Returns:
        The serials and names, for `identity.peer`.

    Raises:
        ConfigError: the file is missing (an empty list is an empty file, never no file), is not
            UTF-8, or has a line that is neither; file and line are named.
    """
    return parse(files.read(path), file=str(path))


def again(path: Path, before: Denied) -> Denied:
    """Load the list that takes the place of `before`.

    Raises:
        ConfigError: as `load`, or it takes entries back and looks like one that is not written to its end.
    """
    data = files.read(path)
    found = parse(data, file=str(path))
    if not data.endswith(b"\n") and (gone := len(before - found)):
        why = (
            f"leaves out {gone} that are in force, and breaks off before the end of a line: write it to its end; "
            "a list that takes everything back has a line with a comment"
        )
        raise ConfigError(str(path), "", why)
    return found


def parse(data: bytes, *, file: str) -> Denied:
    """Read the bytes of a deny-list; `file` is only named in errors. Raises as `load`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ConfigError(file, "", "is not UTF-8 text") from None
    # Not splitlines(): it also breaks at U+2028 and friends, which no editor shows as a new line.
    lines = enumerate(text.split("\n"), start=1)
    found = (_denied(line, number, file) for number, line in lines)
    return frozenset(each for each in found if each is not None)


def _denied(line: str, number: int, file: str) -> int | str | None:
    entry = line.partition("#")[0].strip(" \t\r")
    if not entry:
        return None
    if entry.startswith("spiffe:"):
        try:
            return spiffe.parse(entry)
        except InvalidArgument:
            raise ConfigError(file, f"line {number}", "is no SPIFFE ID, as spiffe://vault.example/partners") from None
    if _SERIAL.fullmatch(entry) is None:
        why = "must be one serial, 1 to 40 hex digits without 'serial=', or a SPIFFE ID"
        raise ConfigError(file, f"line {number}", why)
    serial = int(entry, 16)
    if serial == 0:
        raise ConfigError(file, f"line {number}", "a serial is never zero")
    return serial
