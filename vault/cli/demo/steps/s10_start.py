"""A vault is made, and its server started."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.cli.demo.screen import Screen
from vault.cli.demo.server import Server
from vault.cli.demo.stage import Stage, free_address
from vault.cli.deployment.create import Wish, create
from vault.cli.deployment.layout import Address, Layout
from vault.client.billing import PURPOSE
from vault.pki import spiffe

_DOMAIN: Final = "vault.example"


def run(stage: Stage, say: Screen) -> None:
    """Make it, look for keys where they must not be, and start."""
    stage.address = free_address()
    made = create(stage.home, Wish(spiffe.parse_trust_domain(_DOMAIN), Address.parse(stage.address)))
    key = Layout(stage.home).caller("billing") / f"{PURPOSE}.key"
    elsewhere = [path for path in _files(stage.home) if path != key and holds(path, key)]
    say.claim(
        f"{len(made.callers)} callers have a certificate; billing's private key stands in its own folder only",
        held=key.is_file() and not elsewhere,
    )
    stage.server = Server(stage.home, stage.folder)
    say.claim(f"the server answers on {stage.server.address}", held=stage.server.address == stage.address)


def holds(path: Path, key: Path) -> bool:
    """Whether a file holds a key, as bytes or in hex."""
    seed = key.read_text().strip()
    content = path.read_bytes()
    return bytes.fromhex(seed) in content or seed.encode() in content


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
