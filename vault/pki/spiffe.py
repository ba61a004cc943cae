"""Caller names: SPIFFE IDs, read strictly.

The policy grants rights to the text of a SPIFFE ID, so two spellings of one identity, or one
spelling of two, would be a hole. Hence no normalising: a name is accepted as it stands or refused.
Section numbers are those of "The SPIFFE Identity and Verifiable Identity Document".

Raises only `InvalidArgument`; its text names the rule, never the name that broke it.
"""

import re
from typing import Final, NewType

from vault.errors import InvalidArgument

SpiffeId = NewType("SpiffeId", str)
"""A whole name with a path, such as ``spiffe://vault.example/billing``."""

TrustDomain = NewType("TrustDomain", str)
"""The authority part of a name, such as ``vault.example``."""

MAX_BYTES: Final = 2048
"""Section 2.3: "SHOULD NOT generate URIs of length greater than 2048 bytes"; we accept none."""

_SCHEME: Final = "spiffe://"
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT: Final = re.compile(r"[a-zA-Z0-9._-]+")


def parse_trust_domain(text: str) -> TrustDomain:
    """Check the name of a trust domain (section 2.1).

    Args:
        text: 1 to 255 of the characters ``[a-z0-9.-_]``.

    Raises:
        InvalidArgument: anything else; a port, a user or an upper-case letter among them.
    """
    if _TRUST_DOMAIN.fullmatch(text) is None:
        raise InvalidArgument("trust_domain", "must be 1 to 255 of the characters a-z 0-9 . - _")
    return TrustDomain(text)


def parse(text: str) -> SpiffeId:
    """Check a caller's name.

    Section 2.4 lets a reader fold the case of scheme and trust domain; we do not, because the
    policy compares text. A name without a path is a valid SPIFFE ID but names an authority,
    never a caller (X509-SVID section 5.2), so it is refused too.

    Raises:
        InvalidArgument: the text is not such a name.
    """
    # (1) Length first, so that nothing below works on more than 2 KiB. Characters are bytes here:
    #     step 3 and 4 leave only ASCII.
    if len(text) > MAX_BYTES:
        raise InvalidArgument("spiffe_id", f"must be at most {MAX_BYTES} bytes")
    # (2) The scheme.
    if not text.startswith(_SCHEME):
        raise InvalidArgument("spiffe_id", f"must start with {_SCHEME}")
    # (3) The trust domain ends at the first slash.
    domain, *segments = text.removeprefix(_SCHEME).split("/")
    parse_trust_domain(domain)
    # (4) Section 2.2: "MUST NOT include segments that are empty or are relative path modifiers
    #     (i.e. `.`, `..`)". An empty last segment is the trailing slash. The character set leaves
    #     no room for a query, a fragment or percent-encoding.
    if not segments:
        raise InvalidArgument("spiffe_id", "must have a path")
    for segment in segments:
        if segment in {".", ".."} or _SEGMENT.fullmatch(segment) is None:
            raise InvalidArgument("spiffe_id", "each path segment must be of a-z A-Z 0-9 . - _")
    return SpiffeId(text)


def trust_domain(spiffe_id: SpiffeId) -> TrustDomain:
    """Return the trust domain of a name that was checked before."""
    return TrustDomain(spiffe_id.removeprefix(_SCHEME).partition("/")[0])
