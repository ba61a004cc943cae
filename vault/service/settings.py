"""Settings: `vault.toml`, read once, typed, and refused as a whole.

A vault that starts with a setting it misread may serve for months before anybody notices that the log
level, the deny-list or the key file is not the one that was meant. So an unknown key is an error and not
a remark, nothing is converted (`"64"` is not 64), and a path that must be there is looked for now.

Relative paths are relative to the folder of the file, never to where the command was started: a vault's
folder can be moved or mounted elsewhere and means the same.

Raises only `ConfigError`: file, key path, why. The value is never repeated: somebody will one day paste
a passphrase where its file's name belongs.
"""

import re
import tomllib
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from vault.errors import ConfigError

MAX_DEADLINE_SECONDS: Final = 60
"""No call runs longer, whatever its caller asks for."""

_LISTEN: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_MAX_PORT: Final = 65535


def _beside(value: object, info: ValidationInfo) -> Path:
    """Take a path as written; a relative one starts at the folder of the file."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a path, in quotes")
    if not isinstance(info.context, Path):
        raise TypeError("settings are made by Settings.load, which knows the folder")
    return info.context / value


def _listen(value: object) -> str:
    """Check an address to listen on."""
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[2]) > _MAX_PORT:
        raise ValueError('must be "host:port" or "[IPv6 address]:port"; port 0 takes a free one')
    return found[0]


def _loopback(value: object) -> str:
    """Check an address that only this machine reaches; a name is refused, since somebody else says what it means."""
    listen = _listen(value)
    try:
        inside = ip_address(listen.rpartition(":")[0].strip("[]")).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise ValueError(
            "must be a loopback address, as 127.0.0.1:9443: figures leave this machine by a proxy of yours"
        )
    return listen


File = Annotated[Path, BeforeValidator(_beside)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Table(BaseModel):
    """A table of the file: immutable, no unknown keys, no conversions, no values in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class ServerSettings(Table):
    """`[server]`: the edge.

    Attributes:
        listen: ``host:port``; port 0 takes a free one.
        certificate: PEM, the server's own and what stands between it and its authority.
        private_key: PEM, mode 0600.
        client_ca: PEM bundle: who may sign callers' certificates.
        reflection: whether `buf curl` and the like can ask for the methods.
        deny_list: serials of certificates no longer believed; read again when the file changes.
        max_concurrent_streams: calls at a time on one connection, see `vault.server.edge`.
            Clients keep below it (three quarters is safe) or open another connection.
        default_deadline_seconds: for calls that come without a deadline.
        drain_seconds: between saying "not serving" and refusing calls. The default is for clients that watch
            health; a load balancer that polls needs more than its period.
    """

    listen: Annotated[str, BeforeValidator(_listen)] = "127.0.0.1:7443"
    certificate: File
    private_key: File
    client_ca: File
    reflection: bool = False
    deny_list: File | None = None
    max_concurrent_streams: int = Field(default=1000, ge=1, le=1000)
    default_deadline_seconds: float = Field(default=10, gt=0, le=MAX_DEADLINE_SECONDS)
    drain_seconds: float = Field(default=0.2, ge=0, le=60)


class VaultSettings(Table):
    """`[vault]`: whose callers we know, what they may do, and which log we write."""

    trust_domain: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]{1,255}$")]
    policy: File
    log_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")] = "log-0"


class StorageSettings(Table):
    """`[storage]`: the two stores; they are never one file, or erasure could not keep its promise.

    Attributes:
        driver: the kind.
        data: rows and log.
        keys: record keys, in a folder of its own.
        restore_window_days: how long a replaced value's key is kept, so that an older data store can be put back; in a
            data backup that is older, what was replaced since does not open.
    """

    driver: Literal["sqlite"] = "sqlite"
    data: File
    keys: File
    restore_window_days: float = Field(default=7, ge=0, le=90)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.data == self.keys:
            raise ValueError("data and keys must be two files")
        return self


class RootKeySettings(Table):
    """`[root_key]`: where the key that wraps the vault key comes from.

    Attributes:
        provider: the kind.
        path: mode 0600; the key itself, or with a passphrase its salt and cost.
        passphrase_env: name of the environment variable that holds the passphrase.
        passphrase_file: file that holds it, mode 0600.
    """

    provider: Literal["file"] = "file"
    path: File
    passphrase_env: Text | None = None
    passphrase_file: File | None = None

    @model_validator(mode="after")
    def _one_passphrase(self) -> Self:
        if self.passphrase_env is not None and self.passphrase_file is not None:
            raise ValueError("give passphrase_env or passphrase_file, not both")
        return self


class AdminSettings(Table):
    """`[admin]`: figures and health for whoever runs the vault; without the table there is none.

    Attributes:
        listen: an address of the loopback, as plain HTTP has no business anywhere else; port 0 takes a free one.
    """

    listen: Annotated[str, BeforeValidator(_loopback)]


class WitnessSettings(Table):
    """`[witness]`: where the newest checkpoint of the log is kept beside the stores; see `vault.service.witness`.

    Attributes:
        file: on another volume; its folder must be there.
        command: or who takes it on standard input: a program and its arguments, no shell.
        read_command: who gives it back at a start; without, a start finds nothing to compare with.
        every_seconds: between two of them, as long as the log grows.
        timeout_seconds: for a command.
    """

    file: File | None = None
    command: tuple[Text, ...] | None = Field(default=None, strict=False, min_length=1)
    read_command: tuple[Text, ...] | None = Field(default=None, strict=False, min_length=1)
    every_seconds: float = Field(default=5, ge=0.5, le=3600)
    timeout_seconds: float = Field(default=10, gt=0, le=300)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.command is None):
            raise ValueError("give file or command, one of them")
        if self.file is not None and self.read_command is not None:
            raise ValueError("give read_command only with command: a file is read by itself")
        return self


class MailSettings(Table):
    """`[mail]`: messages in transit.

    Attributes:
        max_message_bytes: of a body in plain; a larger one is refused as soon as that is known.
    """

    max_message_bytes: int = Field(default=50 << 20, ge=1 << 16, le=1 << 34)


class LoggingSettings(Table):
    """`[logging]`: the server's log on standard error. The audit log has no switch."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Table):
    """All of `vault.toml`; made by `Settings.load`."""

    server: ServerSettings
    vault: VaultSettings
    storage: StorageSettings
    root_key: RootKeySettings
    logging: LoggingSettings = LoggingSettings()
    mail: MailSettings = MailSettings()
    admin: AdminSettings | None = None
    witness: WitnessSettings | None = None

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            ConfigError: it cannot be read, is no TOML, or has an unknown, missing or wrong key; the first is named.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(str(path), "", f"cannot be read ({error.strerror}); `init` makes one") from None
        except UnicodeDecodeError:
            raise ConfigError(str(path), "", "is not UTF-8 text") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(str(path), "", f"is not TOML{_position(error)}") from None
        return cls.parse(content, path)

    @classmethod
    def parse(cls, content: Mapping[str, object], path: Path) -> Self:
        """Check what the file says; `path` gives the folder and is named in errors. Raises as `load`."""
        try:
            return cls.model_validate(content, context=path.resolve().parent)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ConfigError(str(path), key, _why(first)) from None


def _position(error: tomllib.TOMLDecodeError) -> str:
    """Say where, and nothing of what: the parser's own text quotes the file."""
    found = re.search(r"\(at (line \d+, column \d+|end of document)\)\Z", str(error))
    return f": look at {found[1]}" if found else ""


def _why(error: ErrorDetails) -> str:
    """Put pydantic's finding into words that say what to do."""
    match error["type"]:
        case "missing":
            return "is missing: add it"
        case "extra_forbidden":
            return "is not a key of this file: remove it, or correct its spelling"
        case "string_pattern_mismatch":
            return "has a character or a length that is not allowed here"
        case _:
            said = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
            return said if said.startswith(("must", "should", "give", "data")) else f"is wrong: {said}"
