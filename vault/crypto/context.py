"""Context encoding: the only way that parts become the info, aad or message of a primitive.

`encode` is injective: two different lists of parts never give the same bytes, because each part is preceded by its
length, and because every label (the first part) has a fixed list of part types. No other module concatenates text or
bytes into a key derivation or an aad.
"""

import hmac

from vault.errors import InvalidArgument

_INT_LIMIT = 1 << 63
HASH_SIZE = 32


def encode(*parts: str | bytes | int) -> bytes:
    """Encode parts as 4-byte big-endian length and bytes each.

    Args:
        *parts: text (UTF-8 as is), raw bytes, or integers (unsigned 64-bit big-endian, below 2^63).

    Raises:
        InvalidArgument: an integer is negative or not below 2^63, or text is not encodable.
    """
    out = bytearray()
    for part in parts:
        if isinstance(part, str):
            try:
                raw = part.encode()
            except UnicodeEncodeError:
                raise InvalidArgument("context", "text must be encodable as UTF-8") from None
        elif isinstance(part, int):
            if not 0 <= part < _INT_LIMIT:
                raise InvalidArgument("context", "integers must be at least 0 and below 2^63")
            raw = part.to_bytes(8, "big")
        else:
            raw = part
        out += len(raw).to_bytes(4, "big")
        out += raw
    return bytes(out)


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand-SHA256 to 32 bytes (RFC 5869, section 2.3).

    One block suffices for 32 bytes, so it is a single HMAC over info and the block counter 1. Extract is left out
    because every key that comes here is uniform (section 3.3).
    """
    return hmac.digest(key, info + b"\x01", "sha256")
