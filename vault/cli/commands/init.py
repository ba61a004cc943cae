"""Make a vault: keys, certificates, policy and both stores, in a new folder."""

from pathlib import Path

import click

from vault.cli import options, output
from vault.cli.deployment.create import Made, Wish, create
from vault.cli.deployment.layout import Address
from vault.errors import InvalidArgument
from vault.pki import spiffe


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--trust-domain", default="vault.example", show_default=True, help="First part of every caller's name.")
@click.option(
    "--listen", default="127.0.0.1:7443", show_default=True, metavar="HOST:PORT", help="The server's address."
)
@click.option(
    "--admin",
    default="127.0.0.1:9443",
    show_default=True,
    metavar="HOST:PORT|off",
    help="Where this machine's monitoring finds figures and health; a loopback address.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="A file (0600) with a passphrase, 12 bytes or more, that makes the root key; else root.key holds the key.",
)
@options.json_option
def command(directory: Path, trust_domain: str, listen: str, admin: str, passphrase_file: Path | None) -> None:
    """Make a vault in DIR, which must be new or empty.

    The folder holds a development certificate authority, a certificate for each role of the shipped policy, the root
    key, both stores, and under callers/ one folder for each caller, to be handed to it. Either all of it is made or
    nothing.

    Example:
      customer-vault init ./vault-dir
      customer-vault serve ./vault-dir
    """
    with options.typed():
        domain, at = spiffe.parse_trust_domain(trust_domain), Address.parse(listen)
        wish = Wish(domain, at, passphrase_file, None if admin == "off" else _loopback(admin))
    made = create(directory, wish)
    output.emit(_document(made), lambda: _tell(made))


def _loopback(text: str) -> Address:
    address = Address.parse(text)
    if address.ip is None or not address.ip.is_loopback:
        raise InvalidArgument("admin", "must be a loopback address with a port, as 127.0.0.1:9443, or off")
    return address


def _document(made: Made) -> dict[str, object]:
    return {
        "home": str(made.home),
        "vault_id": made.vault_id.hex(),
        "callers": {caller.name: caller.spiffe_id for caller in made.callers},
        "caller_keys": {key.purpose: key.fingerprint.hex() for key in made.caller_keys},
    }


def _tell(made: Made) -> None:
    holders = ", ".join(f"{key.purpose} ({', '.join(key.holders)})" for key in made.caller_keys)
    output.pairs(
        {
            "made": f"{made.home}/",
            "vault.toml": "settings of the server",
            "policy.toml": "who may do what, and why; yours to change",
            "pins.json": "what callers trust; hand it out with each change",
            "root.key": "opens the vault's own keys; keep it apart from backups of data/ and keys/",
            "ca/, server/": "development certificates, valid for 90 days",
            "data/, keys/": "the two stores, empty",
            "callers/": f"{len(made.callers)} folders, one to hand to each caller",
        }
    )
    output.line(f"Keys that only callers have, never the vault: {holders}")
    output.line(f"next: customer-vault serve {made.home}")
