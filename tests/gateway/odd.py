"""Odd messages, of our own making, and a folder of anybody's: texts in canonical form, with CRLF at each line's end."""

import os
import random
import re
from pathlib import Path

FOLDER = "CUSTOMER_VAULT_MAIL_FOLDER"
"""Names a folder of messages (*.eml) that are to come through unchanged, too."""

_HEAD = b"From: Ann <a@example.org>\r\nSubject: odd\r\n\r\n"


def _filled(size: int) -> bytes:
    """A message of exactly so many bytes."""
    line = b"0123456789abcdef" * 4 + b"\r\n"
    whole = _HEAD + line * (size // len(line) + 1)
    return whole[: size - 2].rstrip(b"\r").ljust(size - 2, b"x") + b"\r\n"


def _eight_bit() -> bytes:
    chance = random.Random(4)
    alphabet = [byte for byte in range(1, 256) if byte not in (10, 13)]
    return _HEAD + b"".join(bytes(chance.choices(alphabet, k=70)) + b"\r\n" for _ in range(500))


MESSAGES = {
    "plain": _HEAD + b"hello\r\n",
    "eight-bit": _eight_bit(),
    "no-final-newline": _HEAD + b"the last line has no end",
    "dots": _HEAD + b".\r\n..\r\n...\r\n.a\r\n\r\n.\r\n.\r\n",
    "long-lines": _HEAD + b"".join(b"x" * length + b"\r\n" for length in (78, 990, 997, 998)),
    "very-long-line": _HEAD + b"y" * 20_000 + b"\r\n",
    "no-text": _HEAD,
    "empty": b"",
    "no-headers": b"\r\nno header at all\r\n",
    "no-blank-line": b"this is not a header\r\n",
    "trailing-blanks": _HEAD + b"a  \t\r\n \r\n\t\r\n\r\n\r\n",
    "64-KiB": _filled(65_536),
    "64-KiB-and-one": _filled(65_537),
    "many-headers": b"".join(b"X-%d: %s\r\n" % (i, b"v" * 60) for i in range(500)) + b"\r\nhi\r\n",
}


def canonical(text: bytes) -> bytes:
    """Line ends as CRLF, each, and one at the end."""
    text = re.sub(rb"\r\n|\r|\n", b"\r\n", text)
    return text if not text or text.endswith(b"\r\n") else text + b"\r\n"


def folder() -> dict[str, bytes]:
    """The messages of the folder that the environment names."""
    named = os.environ.get(FOLDER)
    if not named:
        return {}
    found = {path.name: path.read_bytes() for path in sorted(Path(named).glob("**/*.eml"))}
    assert found, f"{FOLDER} names a folder without *.eml"
    return found


def large(size: int = 25 << 20) -> bytes:
    """25 MiB, exactly."""
    return _filled(size)
