"""Fixtures: the two programs, started as commands.

The Go program is built once per test process; Go's cache is shared, so only the first process of a
parallel run compiles and the others link.
"""

import pytest

from tests.openers.programs import Program, build_go, find_node

PROGRAMS = [
    pytest.param("go", marks=pytest.mark.needs("go")),
    pytest.param("node", marks=pytest.mark.needs("node-hpke")),
]


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The Go program."""
    return build_go(tmp_path_factory.mktemp("opener"))


@pytest.fixture(scope="session")
def node() -> Program:
    """The Node program."""
    return find_node()


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    """Each program in turn."""
    chosen: Program = request.getfixturevalue(request.param)
    return chosen
