"""What the README shows is what happens: its commands and programs are run, and their output compared.

Of the sections named in `RUN`, every `sh` and `python` block is run, from top to bottom, in one folder, as a reader
would; a `text` block is what the one before it prints. In it `…` stands for what differs each time: in a line for a
part of it, alone on a line for any number of lines. Two things are changed: the port, so that nothing else on this
machine is in the way, and the server runs in the background instead of in another terminal.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from vault.cli.demo.stage import free_address

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = ("First steps", "Call it from your service")
SERVE = "customer-vault serve ./vault-dir\n"
PORT = "7443"
REFUSED = "error: "


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and what it is to print."""

    language: str
    text: str
    shown: str = ""


def blocks(section: str) -> list[Block]:
    """The blocks of a section that are run, each with the output that is shown for it."""
    found: list[Block] = []
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert text, section
    for language, content in re.findall(r"^```(\w*)\n(.*?)^```$", text[1], re.MULTILINE | re.DOTALL):
        if language == "text":
            found[-1] = Block(found[-1].language, found[-1].text, content)
        else:
            assert language in {"sh", "python"}, f"who runs {language}?"
            found.append(Block(language, content))
    return found


def expected(shown: str) -> str:
    """The shown output as a pattern."""
    pattern = re.escape(shown)
    return re.sub(r"^…\\\n", r"(?:.*\\n)*?", pattern, flags=re.MULTILINE).replace("…", ".*")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A place to run the commands in, where proto/ is as in a checkout."""
    (tmp_path / "proto").symlink_to(ROOT / "proto")
    return tmp_path


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who types what the README says, in one shell."""

    shell: "subprocess.Popen[str]"
    folder: Path

    def run(self, block: Block) -> tuple[int, str]:
        """Run a block; its exit code and what it printed."""
        if block.language == "python":
            (self.folder / "snippet.py").write_text(block.text, encoding="utf-8")
            text = f"'{sys.executable}' snippet.py\n"
        else:
            text = block.text
        stdin, stdout = _pipes(self.shell)
        stdin.write(f'{text}code=$?; echo; echo "# $code"\n')
        stdin.flush()
        said = ""
        for line in stdout:
            said += line
            if end := re.search(r"\n# (\d+)\n\Z", said):
                return int(end[1]), said[: end.start()]
        raise AssertionError(f"the shell ended: {said}")


def _pipes(shell: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    assert shell.stdin
    assert shell.stdout
    return shell.stdin, shell.stdout


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    """A shell in which the programs of this environment are found, as those of .venv are."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "--norc"],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shell:
        try:
            yield Reader(shell, folder)
        finally:
            shell.kill()


@contextmanager
def server(folder: Path) -> Iterator[None]:
    """The other terminal."""
    said = folder / "serve.txt"
    with said.open("w") as output:
        running = subprocess.Popen([sys.executable, "-m", "vault.cli", *SERVE.split()[1:]], cwd=folder, stdout=output)
    try:
        for _ in range(400):
            if running.poll() is not None or "ready: " in said.read_text():
                break
            time.sleep(0.05)
        assert "ready: 127.0.0.1:" in said.read_text()
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0


def test_the_commands_do_what_the_readme_shows(folder: Path) -> None:
    """Store a card, read it as billing, be refused as provisioning; then the SDK and buf curl, as a reader would."""
    port = free_address().rpartition(":")[2]
    every = [Block(b.language, b.text.replace(PORT, port), b.shown) for name in RUN for b in blocks(name)]
    at = next(i for i, block in enumerate(every) if block.text == SERVE)
    with reader(folder) as somebody:
        for block in every[:at]:
            ports = f"init ./vault-dir --listen 127.0.0.1:{port} --admin 127.0.0.1:0"
            listen = block.text.replace("init ./vault-dir", ports)
            assert somebody.run(Block(block.language, listen))[0] == 0
        with server(folder):
            for block in every[at + 1 :]:
                code, said = somebody.run(block)
                assert code == block.shown.startswith(REFUSED), said
                assert not block.shown or re.fullmatch(expected(block.shown), said), said


def test_the_first_screen_has_what_a_newcomer_needs() -> None:
    """Name, one sentence, what it protects against and what not, and three lines to paste: in that order."""
    screen = "\n".join(README.splitlines()[:30])
    wanted = (
        "# customer-vault\n",
        "**It protects against**",
        "**It does not protect against**",
        "sudo apt-get install -y git python3 python3-venv\nscripts/demo",
        "scripts/test",
    )
    positions = [screen.find(text) for text in wanted]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_the_first_steps_store_read_and_refuse() -> None:
    """The three things that the vault is for stand there with their outcome."""
    shown = [block.shown for block in blocks("First steps")]
    assert any("created customers/42/cards/" in text for text in shown)
    assert any("last_four    1111" in text for text in shown)
    assert any(text.startswith(REFUSED) and "clause: " in text for text in shown)


def test_it_names_no_file_that_is_not_there() -> None:
    """Paths of this checkout, links to its own sections, and modules."""
    for path in set(re.findall(r"\b(?:scripts|tests|proto|vault)/[a-z0-9/_]+", README)):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"\]\(([A-Z]+\.md)\)", README):
        assert (ROOT / path).exists(), path
    headings = re.findall(r"^## (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", README)) <= anchors


def test_it_is_short() -> None:
    """One that is longer is not read."""
    assert len(README.splitlines()) <= 250
    assert max(map(len, README.splitlines())) <= 200
