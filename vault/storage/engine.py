"""Which SQLite: one copy for all files, new enough not to lose commits.

SQLite keeps its file locks per copy of the library: two copies in one process drop each other's locks, so every file
is opened through this module and nothing else. It is the copy that sqlite-utils uses: `pysqlite3` where there is a
wheel, else Python's own. Releases 3.7.0 to 3.51.2 can corrupt a database when the write-ahead log restarts while
another connection checkpoints; most machines' own SQLite is in that range, so an old one is refused, not warned of.
"""

from typing import TYPE_CHECKING

from vault.errors import ConfigError

if TYPE_CHECKING:
    import sqlite3
else:
    from sqlite_utils.utils import sqlite3

__all__ = ["LIBRARY", "OLDEST", "require", "sqlite3"]

OLDEST = (3, 51, 3)
LIBRARY: str = sqlite3.sqlite_version
"""The version in use."""


def require() -> None:
    """Refuse a SQLite that can corrupt what it stores.

    Raises:
        ConfigError: the SQLite found is older than `OLDEST`; says which to install.
    """
    if sqlite3.sqlite_version_info < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ConfigError(
            "SQLite",
            "",
            f"version {sqlite3.sqlite_version} can corrupt databases in WAL mode; install the package pysqlite3 "
            f"(pip install 'pysqlite3>=0.6.1'), or a Python that is linked with SQLite {oldest} or newer",
        )
