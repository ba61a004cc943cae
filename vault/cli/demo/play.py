"""Plays the steps in their order, and clears up whatever happened."""

import shutil
import tempfile
import time
from pathlib import Path

from vault.cli import plugins
from vault.cli.demo.screen import NotSo, Screen
from vault.cli.demo.stage import Stage

STEPS = "vault.cli.demo.steps"


def play(say: Screen, *, keep: bool) -> bool:
    """Play all steps; whether each did what it says.

    Args:
        say: takes what is said.
        keep: leave the folder there.

    Raises:
        Exception: whatever a step met that is no claim of its own; it is said to have failed, too.
    """
    folder = Path(tempfile.mkdtemp(prefix="customer-vault-demo-"))
    stage = Stage(folder)
    started = time.monotonic()
    say.line(f"customer-vault demo, in {folder}" + ("" if keep else " (removed at the end)"))
    ok = False
    try:
        ok = _steps(stage, say)
    finally:
        if stage.server:
            stage.server.kill()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        said = "every step did what it says" if ok else "NOT everything is as it should be"
        where = f"; left in {folder}" if keep else "" if ok else "; with --keep the folder stays, with server.log"
        say.line(f"{said} ({time.monotonic() - started:.1f} s){where}")
        say.document(seconds=round(time.monotonic() - started, 1), folder=str(folder), kept=keep)
    return ok


def _steps(stage: Stage, say: Screen) -> bool:
    for name in plugins.names(STEPS):
        say.step(name.partition("_")[2].replace("_", " "), plugins.summary(STEPS, name))
        try:
            plugins.load(STEPS, name).run(stage, say)
            say.done()
        except NotSo as found:
            say.failed(f"this is not so: {found}")
            return False
        except Exception as error:
            say.failed(f"ended by {type(error).__name__}")
            raise
    return True
