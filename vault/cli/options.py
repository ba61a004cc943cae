"""Options that many commands share, spelled once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from vault.errors import InvalidArgument

_Command = TypeVar("_Command", bound=Callable[..., Any])

_JSON = "vault.cli.json"
DEFAULT_HOME = "./vault-dir"


def json_option(command: _Command) -> _Command:
    """`--json`: one JSON document on standard output, errors as JSON on standard error."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it
        ctx.meta[_JSON] = value

    option = click.option(
        "--json", is_flag=True, expose_value=False, callback=remember, help="Print JSON, for programs."
    )
    return option(command)


def wants_json() -> bool:
    """Whether the running command was asked for JSON."""
    return bool(click.get_current_context().meta.get(_JSON))


@contextmanager
def typed() -> Iterator[None]:
    """What is malformed in here was typed on the command line: a usage error, exit code 2.

    Only for checks that need no server; what the vault refuses is refused (1).
    """
    try:
        yield
    except InvalidArgument as error:
        raise click.UsageError(f"{error.field}: {error.rule}.") from None


def home_option(command: _Command) -> _Command:
    """`--home DIR`: the folder that `init` made."""
    option = click.option(
        "--home",
        type=click.Path(path_type=Path),
        default=DEFAULT_HOME,
        envvar="CUSTOMER_VAULT_HOME",
        show_default=True,
        show_envvar=True,
        help="The folder that `init` made.",
    )
    return option(command)


def client_options(command: _Command) -> _Command:
    """`--home DIR`, `--as ROLE` and `--json`: which caller a command is."""
    option = click.option(
        "--as", "role", metavar="ROLE", help="Call with the certificate of this role instead of the usual one."
    )
    return home_option(option(json_option(command)))
