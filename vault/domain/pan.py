"""Card numbers (PAN): Luhn, networks, and the test for text that looks like one.

PAN-like = 13 to 19 digits with optional separators, Luhn-valid, under a known issuer prefix. Such text is refused in
every id and every text that the vault sees in plain, so that no card number slips in where no card key protects it
(PCI DSS 3.5.1). The prefix table is the networks' published IIN ranges (ISO/IEC 7812); it decides `brand` too.
"""

import re
from collections.abc import Iterator

# (network, lowest prefix, highest prefix, allowed lengths); the first match wins, so narrow ranges come first.
_NETWORKS: tuple[tuple[str, int, int, frozenset[int]], ...] = (
    ("amex", 34, 34, frozenset({15})),
    ("amex", 37, 37, frozenset({15})),
    ("diners", 300, 305, frozenset(range(14, 20))),
    ("diners", 3095, 3095, frozenset(range(14, 20))),
    ("diners", 36, 36, frozenset(range(14, 20))),
    ("diners", 38, 39, frozenset(range(14, 20))),
    ("jcb", 3528, 3589, frozenset(range(16, 20))),
    ("mir", 2200, 2204, frozenset(range(16, 20))),
    ("mastercard", 2221, 2720, frozenset({16})),
    ("mastercard", 51, 55, frozenset({16})),
    ("elo", 506699, 506778, frozenset({16})),
    ("elo", 509000, 509999, frozenset({16})),
    ("rupay", 508500, 508999, frozenset({16})),
    ("maestro", 50, 50, frozenset(range(13, 20))),
    ("maestro", 56, 58, frozenset(range(13, 20))),
    ("discover", 6011, 6011, frozenset(range(16, 20))),
    ("discover", 644, 649, frozenset(range(16, 20))),
    ("discover", 65, 65, frozenset(range(16, 20))),
    ("unionpay", 62, 62, frozenset(range(16, 20))),
    ("unionpay", 81, 81, frozenset(range(16, 20))),
    ("maestro", 60, 69, frozenset(range(13, 20))),
    ("troy", 9792, 9792, frozenset({16})),
    ("uatp", 1, 1, frozenset({15})),
    ("visa", 4, 4, frozenset({13, 16, 18, 19})),
)
# The same by first digit, with the prefix's width: a look-up is on the way of each card that is opened.
_BY_FIRST_DIGIT = {
    digit: tuple(
        (name, len(str(low)), low, high, lengths) for name, low, high, lengths in _NETWORKS if f"{low}"[0] == digit
    )
    for digit in "123456789"
}
# Whatever is no letter and no digit separates: people, and those who hide, find more signs than a list would hold.
_SEPARATORS = re.compile(r"[\W_]+")
_CANDIDATE = re.compile(r"\d(?:[\W_]{0,3}\d){12,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MIN, _MAX = 13, 19


def luhn_valid(digits: str) -> bool:
    """Whether ASCII `digits` carry a right check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2  # noqa: PLR2004 - 5 doubles to two digits
        total += value
    return total % 10 == 0


def network_of(digits: str) -> str | None:
    """The card network of ASCII `digits` by issuer prefix and length, or None."""
    for name, width, low, high, lengths in _BY_FIRST_DIGIT.get(digits[:1], ()):
        if len(digits) in lengths and low <= int(digits[:width]) <= high:
            return name
    return None


def digits_of(text: str) -> str | None:
    """The digits of a card number as people write it, or None if anything but digits and separators is in it."""
    digits = _SEPARATORS.sub("", text)
    if not (digits.isascii() and digits.isdigit()):
        return None
    return digits


def is_pan(digits: str) -> bool:
    """Whether ASCII `digits` are a card number of a known network."""
    return _MIN <= len(digits) <= _MAX and network_of(digits) is not None and luhn_valid(digits)


def is_pan_like(text: str) -> bool:
    """Whether a card number stands in `text`: alone, or beside other digits that a separator sets apart.

    `4111 1111 1111 1111 123` holds one in its first four groups, so each row of neighbouring groups is looked at; where
    a letter touches such a row it is another kind of number. A single group of up to 19 digits is looked at as a whole:
    to slide over it would refuse every fifth long number that is no card at all. A longer group can only be a list, so
    there each position counts. A UUID is grouped by machines and not as cards are: one in ten thousand would look like
    a card by chance, and none is.
    """
    # Nearly every text is done with here; ids of records come by the hundred.
    if len(text) < _MIN or _CANDIDATE.search(text) is None or _UUID.fullmatch(text):
        return False
    return any(is_pan(row) for match in _CANDIDATE.finditer(text) for row in _rows(text, match))


def _rows(text: str, match: re.Match[str]) -> Iterator[str]:
    """The rows of neighbouring groups that have a card number's length, and the windows of groups that are longer."""
    groups = [
        ("".join(str(int(c)) for c in group[0]), group.start(), group.end())
        for group in re.compile(r"\d+").finditer(text, match.start(), match.end())
    ]
    for first, (digits, start, _) in enumerate(groups):
        row = ""
        for following, _, end in groups[first:]:
            row += following
            if len(row) > _MAX:
                break
            if len(row) >= _MIN and (row == digits or not (_letter(text, start - 1) or _letter(text, end))):
                yield row
        for size in range(_MIN, _MAX + 1) if len(digits) > _MAX else ():
            for at in range(len(digits) - size + 1):
                yield digits[at : at + size]


def _letter(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isalpha()
