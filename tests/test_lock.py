"""The lock fits pyproject.toml, and each way in which it could be wrong is found."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_SPEC = importlib.util.spec_from_file_location("lock", ROOT / "scripts" / "lock.py")
assert _SPEC is not None
assert _SPEC.loader is not None
lock = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(lock)

LOCKED = (ROOT / "requirements.txt").read_text()
HASH = "--hash=sha256:" + "0" * 64


def test_the_lock_has_no_fault() -> None:
    """What is committed is what an install may use."""
    assert list(lock.faults(LOCKED)) == []


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("--index-url example.org\n", "not a pin: --index-url"),
        (f"extra @ https://example.org/extra.whl {HASH}\n", "names a URL"),
        ("extra==1\n", "extra has no hash"),
        ("extra==1 --hash=md5:00\n", "extra has no hash"),
        (f"extra>=1 {HASH}\n", "extra has no exact version"),
        (f"extra==1.* {HASH}\n", "extra has no exact version"),
    ],
)
def test_a_line_that_is_no_pin_is_found(added: str, said: str) -> None:
    """Only `name==version` with sha256 hashes may stand in the lock."""
    assert any(said in fault for fault in lock.faults(LOCKED + added))


def test_a_package_that_is_wanted_but_not_locked_is_found() -> None:
    """A new dependency without a new lock would be missing on the next machine."""
    kept = [line for line in LOCKED.replace("\\\n", "").splitlines() if not line.startswith("cryptography==")]
    assert any("cryptography" in fault for fault in lock.faults("\n".join(kept)))


def test_a_locked_version_that_no_longer_fits_is_found() -> None:
    """A raised lower bound needs a new lock."""
    older = LOCKED.replace("\ngrpcio==", "\ngrpcio==0.")
    assert any("grpcio>=" in fault for fault in lock.faults(older))
