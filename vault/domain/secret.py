"""A secret as a type: it cannot be printed, compared, hashed or pickled by accident.

Python cannot promise to wipe memory: bytes are immutable and copies are made by every call. The type keeps secrets out
of logs, errors and traces; what stays in memory is bounded by the caches that hold them, not by this class.
"""

from typing import NoReturn


class Secret:
    """Key material; `reveal()` is the one explicit way to the bytes, and it can be searched for."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __repr__(self) -> str:
        """Fixed text."""
        return "Secret(…)"

    def __eq__(self, other: object) -> NoReturn:
        """Refuse: comparing secrets needs constant time, and mostly a better idea."""
        msg = "secrets are not compared"
        raise TypeError(msg)

    def __hash__(self) -> NoReturn:
        """Refuse: a hash would put the secret into dictionaries."""
        msg = "secrets are not hashed"
        raise TypeError(msg)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        msg = "secrets are not pickled"
        raise TypeError(msg)
