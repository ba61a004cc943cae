"""What a check is given, what it says, and the round of all checks.

A check that fails over a broken file is a finding too: the others still run, since what is broken is rarely alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Final

from vault.cli import plugins
from vault.cli.deployment.layout import Layout
from vault.cli.failures import next_step
from vault.errors import ConfigError, VaultError
from vault.service.settings import Settings

CHECKS: Final = "vault.cli.doctor.checks"


class State(Enum):
    """How bad it is."""

    OK = "ok"
    UNCHECKED = "not checked"
    """It could not be looked at now; that is no fault of the vault's."""
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    state: State
    what: str
    remedy: str = ""
    """What to do; empty if all is well."""


@dataclass(frozen=True, slots=True)
class Examined:
    """The vault that is looked at."""

    layout: Layout
    settings: Settings | None
    """None if they do not load, which is a finding of `settings`; checks that need them find nothing then."""

    @classmethod
    def of(cls, home: Path) -> "Examined":
        """A vault's folder.

        Raises:
            ConfigError: there is none.
        """
        layout = Layout(home)
        if not home.is_dir():
            raise ConfigError(str(home), "", "is no folder: name the one that `customer-vault init` made")
        try:
            return cls(layout, Settings.load(layout.config))
        except ConfigError:
            return cls(layout, None)


def ok(what: str) -> Finding:
    """All is well."""
    return Finding(State.OK, what)


def examine(at: Examined) -> Iterator[tuple[str, Finding]]:
    """(check, finding) of every check."""
    for name in plugins.names(CHECKS):
        for finding in _run(plugins.load(CHECKS, name), at):
            yield name.replace("_", " "), finding


def _run(check: ModuleType, at: Examined) -> Iterable[Finding]:
    try:
        return list(check.check(at))
    except VaultError as error:
        return [Finding(State.PROBLEM, str(error), next_step(error))]
