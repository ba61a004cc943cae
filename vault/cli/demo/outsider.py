"""A program for somebody outside: `python3 -I outsider.py RECEIPT.json ORIGIN KEY`. Does a receipt of an erasure hold?

It needs the file, the log's name and the log's public key (both stand in pins.json), and neither a vault, nor its code,
nor any library: what it believes is SHA-256, and Ed25519 written out below after RFC 8032, section 5.1. It verifies
only, so nothing in it is secret and it may take its time. Prints the statement and exits with 0, or with 1 if the log's
key did not sign it. What a receipt is, is said in vault/crypto/receipt.py; the same in Go is
tests/openers/go/receipt.go.
"""

import base64
import binascii
import hashlib
import json
import sys
from pathlib import Path

Point = tuple[int, int, int, int]
"""X, Y, Z, T: x = X/Z, y = Y/Z, x·y = T/Z."""

_ERASED = b"CustomerService.EraseCustomer"
_ALLOWED = 1
_VARINT, _LENGTH = 0, 2
_HASH = 32


def check(receipt: str, origin: str, key: bytes) -> str:
    """The statement that the log's key signed.

    Raises:
        ValueError: it did not, or something is malformed.
    """
    file = json.loads(receipt)
    statement = str(file["statement"])
    head, _, note = file["proof"].partition("\n\n")
    version, extra, index, *path = head.split("\n")
    # (1) The key signed the root of a tree.
    text, _, signature = note.partition("\n\n")
    named, size, root = text.split("\n")
    signed = _base64(_after(f"\u2014 {origin} ", signature.removesuffix("\n")))
    key_hash = hashlib.sha256(f"{origin}\n\x01".encode() + key).digest()[:4]
    _must(version == "c2sp.org/tlog-proof@v1" and named == origin and signed[:4] == key_hash)
    _must(verify(key, f"{text}\n".encode(), signed[4:]))
    # (2) The entry is a leaf of that tree.
    entry = _base64(_after("extra ", extra))
    found = _root(entry, _number(_after("index ", index)), _number(size), [_base64(each) for each in path])
    _must(found == _base64(root))
    # (3) The entry is that of an erasure that was done, and names this statement: action, outcome, receipt.
    fields = _fields(entry)
    _must(fields.get(4) == _ERASED and fields.get(8) == _ALLOWED)
    _must(fields.get(19) == hashlib.sha256(statement.encode()).digest())
    json.loads(statement)
    return statement


def _root(entry: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2."""
    _must(index < size and all(len(each) == _HASH for each in path))
    at, last, root = index, size - 1, hashlib.sha256(b"\0" + entry).digest()
    for each in path:
        _must(last != 0)
        if at & 1 or at == last:
            root = hashlib.sha256(b"\1" + each + root).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = hashlib.sha256(b"\1" + root + each).digest()
        at, last = at >> 1, last >> 1
    _must(last == 0)
    return root


def _fields(entry: bytes) -> dict[int, int | bytes]:
    """The fields of an entry, a protobuf message of numbers and texts; none comes twice."""
    found: dict[int, int | bytes] = {}
    at, before = 0, 0
    while at < len(entry):
        tag, at = _varint(entry, at)
        value, at = _varint(entry, at)
        number, kind = tag >> 3, tag & 7
        _must(number >= before and kind in {_VARINT, _LENGTH})
        if kind == _LENGTH:
            _must(at + value <= len(entry))
            found[number], at = entry[at : at + value], at + value
        else:
            found[number] = value
        before = number
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 64, 7):
        _must(at < len(data))
        number, at = number | (data[at] & 127) << shift, at + 1
        if data[at - 1] < 128:  # noqa: PLR2004 - the bit that says that more follows
            return number, at
    raise ValueError


# --- Ed25519 --------------------------------------------------------------------------------------------------------

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_1 = pow(2, (_P - 1) // 4, _P)
_ZERO: Point = (0, 1, 1, 0)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032, section 5.1.7: [S]B = R + [k]A."""
    _must(len(key) == _HASH and len(signature) == 2 * _HASH)
    scalar = int.from_bytes(signature[_HASH:], "little")
    _must(scalar < _ORDER)
    k = int.from_bytes(hashlib.sha512(signature[:_HASH] + key + message).digest(), "little") % _ORDER
    base = _point((4 * pow(5, -1, _P) % _P).to_bytes(_HASH, "little"))
    left, right = _times(scalar, base), _add(_point(signature[:_HASH]), _times(k, _point(key)))
    return not (left[0] * right[2] - right[0] * left[2]) % _P and not (left[1] * right[2] - right[1] * left[2]) % _P


def _point(data: bytes) -> Point:
    """Section 5.1.3."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    _must(y < _P)
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_1 % _P
    _must((x * x - square) % _P == 0 and (x != 0 or not sign))
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


def _add(one: Point, two: Point) -> Point:
    """Section 5.1.4."""
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % _P, (one[1] + one[0]) * (two[1] + two[0]) % _P
    c, d = 2 * one[3] * two[3] * _D % _P, 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(scalar: int, point: Point) -> Point:
    found = _ZERO
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point, scalar = _add(point, point), scalar >> 1
    return found


# --- strictness -----------------------------------------------------------------------------------------------------


def _must(true: bool) -> None:  # noqa: FBT001 - a condition
    if not true:
        raise ValueError


def _after(prefix: str, line: str) -> str:
    _must(line.startswith(prefix))
    return line[len(prefix) :]


def _number(text: str) -> int:
    _must(text.isascii() and text.isdigit() and str(int(text)) == text)
    return int(text)


def _base64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    _must(base64.b64encode(data).decode() == text)
    return data


def main(arguments: list[str]) -> int:
    """Say what was signed, or nothing."""
    try:
        file, origin, key = arguments
        print(check(Path(file).read_text(encoding="utf-8"), origin, bytes.fromhex(key)))  # noqa: T201 - stands alone
    except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError, binascii.Error):
        print("NOT signed by this log", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
