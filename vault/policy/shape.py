"""What may stand in a policy file: tables, keys and types, before anything is asked about their meaning.

Every table is closed: a key that is not listed here is refused, because a misspelled `caller_only` or `condition`
that is silently ignored would widen a promise. Types are strict for the same reason: `caller_only = "no"` is an error,
not a truth.

`read` raises only `ConfigError`. It reports the first error, by the path that leads to it in the file, as
`fields."payment.card_number".audience[1]`, in words of its own that never repeat what stands there.
"""

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from vault.errors import ConfigError

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_MOST: Final = 10_000_000
_Number = Annotated[float, Field(gt=0, le=_MOST)]
_Count = Annotated[int, Field(ge=1, le=_MOST)]
_Sentence = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]

_WHY: Final = {
    "missing": "is missing; add it",
    "extra_forbidden": "is no key of a policy; remove it, or correct its spelling",
    "string_type": "must be text in quotes",
    "string_too_short": "is empty; write it",
    "string_pattern_mismatch": "is blank; write it",
    "list_type": "must be a list of texts in brackets",
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "greater_than": "must be more than 0",
    "greater_than_equal": "must be at least 1",
    "less_than_equal": "must be at most 10000000",
}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, frozen=True)


class PurposeTable(_Table):
    """`[purposes.NAME]`."""

    custody: Literal["vault", "caller", "none"]
    roles: list[str]
    condition: Literal["consent", "objection", "order", "own_visitor", "aggregates"] | None = None
    clause: _Sentence


class FieldTable(_Table):
    """`[fields."NAME"]`."""

    audience: list[str]
    caller_only: bool = False
    clause: _Sentence


class ServiceTable(BaseModel):
    """`[methods.SERVICE]`: the clause, and a line for each method. Method names are checked later, against the API."""

    model_config = ConfigDict(extra="allow", strict=True, hide_input_in_errors=True, frozen=True)
    __pydantic_extra__: dict[str, list[str]]

    clause: _Sentence

    @property
    def methods(self) -> dict[str, list[str]]:
        """Roles by method."""
        return self.__pydantic_extra__


class CallerTable(_Table):
    """`[callers."SPIFFE ID"]`."""

    roles: list[str]


class KeyTable(_Table):
    """`[keys.PURPOSE]`: fingerprints in hex."""

    current: str
    next: str | None = None
    recovery: str | None = None


class LimitTable(_Table):
    """A table of `[limits]`: each key may be left out."""

    records_per_second: _Number | None = None
    burst: _Count | None = None
    searches_per_second: _Number | None = None
    search_burst: _Count | None = None
    concurrent: _Count | None = None

    @property
    def given(self) -> dict[str, float]:
        """What is not left out."""
        return self.model_dump(exclude_none=True)


class LimitsTable(_Table):
    """`[limits]`."""

    default: LimitTable = LimitTable()
    unknown: LimitTable = LimitTable()
    roles: dict[str, LimitTable] = {}
    callers: dict[str, LimitTable] = {}


class RetentionTable(_Table):
    """`[retention]`: how long, by kind of record."""

    customer_logs: str
    order_forms: str
    preferences: str
    messages: str
    visits: str


class MailTable(_Table):
    """`[mail]`."""

    on_erasure: Literal["deliver", "bounce"] = "deliver"


class TrafficTable(_Table):
    """`[traffic]`."""

    exact: list[str]
    k: Annotated[int, Field(ge=2, le=_MOST)]
    epsilon: str
    names_per_hour: Annotated[int, Field(ge=1, le=10_000)]
    clause: _Sentence


class OrderFormTable(_Table):
    """`[order_form]`."""

    fields: list[str]
    clause: _Sentence


class File(_Table):
    """The whole file."""

    roles: dict[str, _Sentence]
    purposes: dict[str, PurposeTable]
    fields: dict[str, FieldTable]
    methods: dict[str, ServiceTable]
    retention: RetentionTable
    callers: dict[str, CallerTable] = {}
    keys: dict[str, KeyTable] = {}
    limits: LimitsTable = LimitsTable()
    traffic: TrafficTable | None = None
    mail: MailTable = MailTable()
    order_form: OrderFormTable | None = None


def read(text: str, file: str) -> File:
    """Read TOML into tables.

    Raises:
        ConfigError: `file` is not TOML, or has a key or a type that a policy does not have.
    """
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of more than 4,300 digits
        raise ConfigError(file, "", f"is not TOML: {error}") from None
    try:
        return File.model_validate(tables)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(file, path(*first["loc"]), _why(first["type"], first.get("ctx", {}))) from None


def path(*keys: str | int) -> str:
    """How the file's author would write the way to a key: `fields."payment.card_number".audience[1]`."""
    out = ""
    for key in keys:
        if isinstance(key, int):
            out += f"[{key}]"
        else:
            # JSON writes all that TOML does not allow as an escape, but for one character.
            quoted = key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False).replace("\x7f", "\\u007f")
            out += f".{quoted}" if out else quoted
    return out


def names(keys: Sequence[str]) -> str:
    """A few names for an error: `a, b and c`."""
    *first, last = keys
    return f"{', '.join(first)} and {last}" if first else last


def _why(kind: str, context: dict[str, Any]) -> str:
    if kind == "literal_error":
        return f"must be {context['expected']}"
    return _WHY.get(kind, "is not what a policy has here; compare with the policy that is shipped")
