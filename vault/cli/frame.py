"""A folder as a click group, and the one place where errors become an exit code.

Commands raise `VaultError` (or let it pass) and know nothing of exit codes. What is not foreseen ends here as well, as
one line with the kind of the error and where it was raised: its text might hold a value, so it is not shown. Usage
errors, Ctrl-C and a "no" to a question end here too: who asked for JSON gets each of them as JSON.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from inspect import cleandoc
from itertools import takewhile
from typing import Any

import click

from vault.cli import plugins

COMMANDS = "vault.cli.commands"
_BROKEN_PIPE = 141
"""What a shell reports for a program that SIGPIPE ended: 128 + 13."""

_EPILOG = """\b
Exit codes: 0 done, 1 refused or failed, 2 usage or configuration, 3 done in part.
First steps:
  customer-vault init ./vault-dir
  customer-vault serve ./vault-dir"""


class Folder(click.Group):
    """A group whose commands are the files and folders of a package, imported when they are used."""

    def __init__(self, package: str, **settings: Any) -> None:  # noqa: ANN401 - click's own settings, handed on
        super().__init__(**settings)
        self._package = package
        self._names = {name.rstrip("_").replace("_", "-"): name for name in plugins.names(package)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names as they are typed."""
        del ctx
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        del ctx
        name = self._names.get(cmd_name)
        if name is None:
            return None
        module = plugins.load(self._package, name)
        if hasattr(module, "__path__"):
            doc = module.__doc__ or ""
            return Folder(module.__name__, name=cmd_name, help=doc, short_help=doc.partition("\n")[0])
        command: click.Command = module.command
        command.name = cmd_name
        command.help = _with_example(command.help or "")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them by the first lines of their files, importing none."""
        del ctx
        rows = [(typed, plugins.summary(self._package, name)) for typed, name in self._names.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _with_example(text: str) -> str:
    r"""A help text whose example keeps its lines: click re-wraps a paragraph unless it begins with \b."""
    return cleandoc(text).replace("\n\nExample:\n", "\n\n\b\nExample:\n")


class Root(Folder):
    """`customer-vault` itself."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **settings: Any) -> Any:  # noqa: ANN401 - click's
        """Run, and leave with the exit code."""
        # gRPC's library prints lines of its own, before and between ours; it reads this when it is imported.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        typed = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(typed, *more, **settings | {"standalone_mode": False})
        except Exception as error:  # noqa: BLE001 - the outermost boundary: nothing may end as a traceback
            code = _report(error, as_json="--json" in takewhile(lambda word: word != "--", typed))
        sys.exit(code or 0)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `… | head` has seen enough
            _let_go()
            ctx.exit(_BROKEN_PIPE)


def _report(error: Exception, *, as_json: bool) -> int:
    from vault.cli import failures  # noqa: PLC0415 - only a failure pays for it

    code = failures.exit_code(error)
    # Standard error may be as full as standard output; the exit code is left to tell.
    with suppress(OSError):
        failures.report(error, as_json=as_json)
    _let_go()
    return code


def _let_go() -> None:
    """Drop what could not be written, or Python would try again at its end and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


@click.command(
    cls=Root,
    package=COMMANDS,
    name="customer-vault",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.version_option(package_name="customer-vault", message="%(version)s")
def root() -> None:
    """Keep customers' data encrypted field by field, so that a privacy policy is enforced by keys."""
