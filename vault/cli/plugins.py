"""What stands in a folder is found there: adding a command, step, case or check is adding a file, editing no list.

A name is a file's or a folder's, in the order of the alphabet (so steps that have an order are called `s10_start`,
`s20_import`). Names that begin with an underscore are not found. A file's first docstring line is its summary; it is
read from the source, so that listing forty commands imports none of them.
"""

import ast
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.util import find_spec
from pkgutil import iter_modules
from types import ModuleType


def names(package: str) -> list[str]:
    """The modules and packages directly under a package, sorted; `package` as `vault.cli.commands`."""
    return sorted(m.name for m in iter_modules(import_module(package).__path__) if not m.name.startswith("_"))


def load(package: str, name: str) -> ModuleType:
    """One of them, imported."""
    return import_module(f"{package}.{name}")


def docstring(package: str, name: str) -> str:
    """A module's docstring, from its source; the module is not imported."""
    spec = find_spec(f"{package}.{name}")
    if spec is None or not isinstance(spec.loader, InspectLoader):
        return ""
    source = spec.loader.get_source(spec.name)
    return ast.get_docstring(ast.parse(source)) or "" if source else ""


def summary(package: str, name: str) -> str:
    """The first line of that docstring."""
    return docstring(package, name).partition("\n")[0]
