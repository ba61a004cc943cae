"""Writes requirements.txt, the lock, and checks that it still fits pyproject.toml.

    python scripts/lock.py update     resolve again (uv, in a throwaway environment)
    python scripts/lock.py check      one line per fault, exit 1 if any

The lock pins every package of the runtime, the tests and the build, for every platform, by version and
hashes, so that an install is the same everywhere and a swapped file is refused. It names no index and no
URL: where packages come from is the business of the machine that installs them. Only wheels are locked:
installing runs nobody's build script.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
HEADER = """\
# Runtime, tests and build, pinned for every platform. Written by `scripts/lock.py update`; do not edit.
# Install: pip install --require-hashes --no-deps -r requirements.txt (scripts/venv does)
"""


def update() -> None:
    """Resolve pyproject.toml anew and write the lock; a pin moves only where it must or may."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        subprocess.run([f"{folder}/bin/pip", "install", "--quiet", "uv"], check=True)  # noqa: S603 - our own
        pins = subprocess.run(  # noqa: S603 - our own
            [
                *(f"{folder}/bin/uv", "pip", "compile", "pyproject.toml", "--group", "dev", "--quiet"),
                *("--universal", "--python-version", "3.11", "--only-binary", ":all:", "--generate-hashes"),
                *("--upgrade", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    LOCK.write_text(HEADER + pins)


def wanted() -> Iterator[Requirement]:
    """What pyproject.toml asks for: runtime, development group and build system."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for text in (
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ):
        yield Requirement(text)


def faults(lock: str) -> Iterator[str]:
    """What is wrong with the text of a lock, one sentence each."""
    if "://" in lock:
        yield "it names a URL"
    pins = {}
    for line in lock.replace("\\\n", "").splitlines():
        if line.startswith("#"):
            continue
        entry, *hashes = line.split("--hash=")
        try:
            requirement = Requirement(entry)
        except InvalidRequirement:
            yield f"not a pin: {line[:60]}"
            continue
        if not re.fullmatch(r"==[^*,]+", str(requirement.specifier)):
            yield f"{requirement.name} has no exact version"
            continue
        if not hashes or not all(re.fullmatch(r"sha256:[0-9a-f]{64}", text.strip()) for text in hashes):
            yield f"{requirement.name} has no hash, or something beside its hashes"
        pins[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    for requirement in wanted():
        pin = pins.get(canonicalize_name(requirement.name))
        if pin is None or not requirement.specifier.contains(pin):
            yield f"{requirement} is wanted, {pin or 'nothing'} is locked: run `python scripts/lock.py update`"


def main(arguments: list[str]) -> int:
    """Run `update` or `check` and give the exit status."""
    match arguments:
        case ["update"]:
            update()
        case ["check"]:
            pass
        case _:
            sys.stderr.write("usage: lock.py update|check\n")
            return 2
    found = list(faults(LOCK.read_text()))
    sys.stderr.writelines(f"requirements.txt: {fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
