"""What the server's tests share."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from vault.server import logs


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that the server logs, as the server logs it; pytest's own handlers are put back afterwards."""
    out = io.StringIO()
    before = logging.root.handlers[:], logging.root.level
    logs.configure("debug", out=out)
    yield out
    logging.root.handlers, logging.root.level = before
    structlog.reset_defaults()
