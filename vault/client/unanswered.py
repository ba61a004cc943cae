"""What is known of a call when its status is not the vault's: the connection broke, or gRPC gave up.

Then nobody said whether the call was done, so a write becomes `OutcomeUnknown`, and a read `Unavailable`. One case is
known better: over a connection that was never made nothing was sent. gRPC tells that case by its text alone, and so
does this module; a text that it does not know is taken for a call that may have been done, which is the safe mistake.
The tests make each text with real connections, so that another version of gRPC cannot change one unseen.
"""

from dataclasses import dataclass
from typing import final

from grpc import StatusCode

from vault.errors import OutcomeUnknown, Unavailable, VaultError


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt at a call that did not succeed."""

    error: VaultError
    sent: bool
    """Whether the vault may have done it."""
    passing: bool
    """Whether the same request may succeed a moment later."""


_LOST = (
    StatusCode.UNAVAILABLE,
    StatusCode.CANCELLED,
    StatusCode.UNKNOWN,
    StatusCode.INTERNAL,
    StatusCode.DEADLINE_EXCEEDED,
)
_PASSING = (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)
"""A stopping server cuts with CANCELLED what its core has taken and its Python code has not."""

_NEVER_CONNECTED = ("failed to connect to all addresses", "errors resolving ", "DNS resolution failed")

# What the handshake or the look-up says, what it means in the words of client.toml, and whether it may pass by itself.
_CAUSES = (
    (
        "CERTIFICATE_VERIFY_FAILED",
        "the vault's certificate has expired, or the authority in `ca` did not sign it",
        False,
    ),
    ("Hostname Verification", "the vault's certificate is not for `server_name`", False),
    ("security handshaker", "`certificate` and `private_key` do not belong together", False),
    ("Connection refused", "nobody listens at `target`: see that the server runs", True),
    (
        "Socket closed",
        "the server hung up: `certificate` may have expired or be of an authority it does not know",
        True,
    ),
    ("resol", "no address is known for `target`", True),
)
_OTHERWISE = "the vault cannot be reached at `target`: see that the server runs"


def failure_of(code: StatusCode, text: str, *, write: bool) -> Failure | None:
    """What happened to a call; None if the status says it by itself, whoever sent it.

    Args:
        code: as gRPC gave it.
        text: the same; free of control characters.
        write: whether the call could have changed something.
    """
    if code is StatusCode.UNAVAILABLE and text.startswith(_NEVER_CONNECTED):
        why, passing = next(((why, passing) for part, why, passing in _CAUSES if part in text), (_OTHERWISE, True))
        return Failure(Unavailable(f"nothing was sent: {why} ({text})"), sent=False, passing=passing)
    if code not in _LOST:
        return None
    said = f"{code.name}: {text}" if text and text != code.name else code.name
    error: VaultError = Unavailable(f"no answer came ({said})")
    if write:
        error = OutcomeUnknown(f"no answer came, and the write may have been done ({said})")
    return Failure(error, sent=True, passing=code in _PASSING)
