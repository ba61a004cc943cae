"""What is kept of a visit to the web site: an ISP's domain, an hour, a page. Nothing that tells who it was.

The privacy policy names what a web server may collect: "your ISP's domain, the time you accessed our web site, and the
pages from within our web site that you visit". Here a host name becomes that domain, a time its hour, and a request's
target the path of a page; what does not fit becomes one word for all that do not, or is refused. The web server's side
and the vault use these same functions: the vault trusts no reader to have cut what it should.

**Host.** The registrable domain by the public suffix list, and only by the part that registries keep: under its other
part, of companies that lend names, `anns-home.dyndns.org` would be a domain, and it names a person. Addresses (an IP
literal is what a log has where no name was found), names without a public suffix, and labels that carry an address, a
card number or a long number become `unresolved`.

**Page.** Only the path. The query and what follows a `;` go, since addresses, words searched for and session ids stand
there; a target with a host of its own is refused, since it is another site's page. Of the path, each segment stays or
becomes `*` by itself. It stays if it is made of letters, digits and `-._~ `, and is no address, and has

- at most 4 digits, at most 48 characters, and no word of more than 20 letters and digits;
- no word of 8 or more in which letters and digits mix, or of small and large letters by turns, as ids and tokens have.

So `/orders/83749823/view` is kept as `/orders/*/view`, and `/reset/ann@example.org` as `/reset/*`. A path with more
than 10 digits loses all segments that have any (a card number may be cut into segments), and one that is long its end.
No rule knows that `/members/ann-example` is a name: whoever names pages after people must not send them.
"""

import re
import unicodedata
from itertools import pairwise
from typing import Final
from urllib.parse import unquote

from publicsuffixlist import PublicSuffixList

from vault.domain.pan import is_pan_like
from vault.errors import InvalidArgument

UNRESOLVED: Final = "unresolved"
"""Of all visits from hosts without a domain that may be kept; no domain has this name, since it has no dot."""
OTHER: Final = "other"
"""Of all groups that are not named; neither a page (no slash) nor a domain (no dot)."""
CUT: Final = "*"
"""Stands where a segment of a path was taken out."""
HOUR_MS: Final = 3_600_000
OLDEST_HOURS: Final = 400 * 24
"""Older visits are refused, whatever the policy keeps: it bounds how far back counts can be asked for and added to."""
AHEAD_HOURS: Final = 1
"""How far a web server's clock may be ahead."""

_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII)
_DASHED_ADDRESS = re.compile(r"(?<!\d)\d{1,3}(?:-\d{1,3}){3}(?!\d)", re.ASCII)
_ADDRESS = re.compile(r"\d+(?:\.\d+){3}")
_WORD = re.compile(r"[^\W_]+")
_PLAIN = re.compile(r"[a-z]{1,20}(?:[-.][a-z]{1,20}){0,2}", re.ASCII)
_END_OF_PATH = re.compile(r"[?#;]")
_SIGNS = frozenset("-._~ ")
_MOST_HOST = 253
_MOST_TARGET = 4096
_MOST_SEGMENTS = 8
_MOST_PATH = 160
_MOST_PATH_DIGITS = 10
_MOST_DOMAIN_DIGITS = 7
_MOST_LABEL = 40
_MOST_SEGMENT = 48
_MOST_DIGITS = 4
_MOST_WORD = 20
_MIXED_WORD = 8
_MOST_HUMPS = 3
_SUFFIXES = PublicSuffixList(accept_unknown=False, only_icann=True)


def domain_of(host: str) -> str:
    """The registrable domain of a visitor's host, or `UNRESOLVED`; never raises, and never gives an address."""
    name = host.rstrip(".").lower() if len(host) <= _MOST_HOST + 1 else ""
    if not _HOST.fullmatch(name):
        return UNRESOLVED
    domain: str | None = _SUFFIXES.privatesuffix(name)
    if domain is None or len(domain) > _MOST_PATH:
        return UNRESOLVED
    label = domain.partition(".")[0]
    numbers = _digits(domain)
    if len(label) > _MOST_LABEL or numbers > _MOST_DOMAIN_DIGITS or _DASHED_ADDRESS.search(label):
        return UNRESOLVED
    return domain


def hour_of(time_ms: int, now_ms: int) -> int:
    """The hour of a visit, counted from 1970.

    Raises:
        InvalidArgument: it is too long ago to be kept, or lies ahead.
    """
    hour, now = time_ms // HOUR_MS, now_ms // HOUR_MS
    if not now - OLDEST_HOURS <= hour <= now + AHEAD_HOURS:
        raise InvalidArgument("time", "must be within the last 400 days")
    return hour


def page_of(target: str) -> str:
    """The path of a page, from a request's target or from what this function gave.

    Raises:
        InvalidArgument: it is no path of our own site, or no text.
    """
    if not target.startswith("/") or target.startswith("//") or len(target) > _MOST_TARGET:
        raise InvalidArgument("page", "must be a path of the site, beginning with one slash")
    try:
        # What was encoded twice keeps a `%`, and so loses its segment below.
        path = unicodedata.normalize("NFC", unquote(target, errors="strict"))
    except UnicodeDecodeError:
        raise InvalidArgument("page", "must be UTF-8, percent-encoded") from None
    path = _END_OF_PATH.split(path, maxsplit=1)[0]
    if not path.isprintable():
        raise InvalidArgument("page", "must be printable")
    segments = [segment for segment in path.split("/") if segment]
    kept = [segment if _may_stay(segment) else CUT for segment in segments[:_MOST_SEGMENTS]]
    if _digits(path) > _MOST_PATH_DIGITS:
        kept = [CUT if _digits(segment) else segment for segment in kept]
    return _bounded(kept, cut=len(segments) > _MOST_SEGMENTS)


def _bounded(segments: list[str], *, cut: bool) -> str:
    """A path of bounded length; what is cut off at the end is one star."""
    path = ""
    for segment in segments:
        if len(path) + len(segment) >= _MOST_PATH:
            cut = True
            break
        path += f"/{segment}"
    return f"{path}/{CUT}" if cut and not path.endswith(f"/{CUT}") else path or "/"


def _may_stay(segment: str) -> bool:
    if _PLAIN.fullmatch(segment):  # nearly all of them
        return True
    if len(segment) > _MOST_SEGMENT or not all(c.isalnum() or c in _SIGNS for c in segment):
        return False
    if _digits(segment) > _MOST_DIGITS or _ADDRESS.search(segment) or is_pan_like(segment):
        return False
    return not any(_is_token(word[0]) for word in _WORD.finditer(segment))


def _is_token(word: str) -> bool:
    mixed = 0 < _digits(word) < len(word)
    # `OnlineShopMainPage` goes up three times; letters drawn at random go up and down all the time.
    humps = sum(a.islower() and b.isupper() for a, b in pairwise(word))
    return len(word) > _MOST_WORD or (mixed and len(word) >= _MIXED_WORD) or humps > _MOST_HUMPS


def _digits(text: str) -> int:
    return sum(c.isnumeric() for c in text)
