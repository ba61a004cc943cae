"""The texts that `init` writes; they are the operator's from then on, so they explain themselves.

TOML has a reader in Python and no writer. What is written here are tables of texts, and a JSON text of printable
characters is a TOML text as well.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from vault.cli.deployment.layout import LOG_ID, SERVER_NAME, Address, CallerPlan
from vault.pki.spiffe import TrustDomain
from vault.policy.model import Policy


def vault_toml(
    listen: Address, trust_domain: TrustDomain, passphrase_file: Path | None, admin: Address | None = None
) -> str:
    """Settings of the server."""
    watched = f"{_ADMIN}listen = {_text(str(admin))}\n" if admin else ""
    passphrase = f"passphrase_file = {_text(str(passphrase_file))}\n" if passphrase_file else ""
    return f"""\
# Settings of the vault. Relative paths start at this file's folder.

[server]
listen = {_text(str(listen))}
certificate = "server/cert.pem"
private_key = "server/key.pem"
client_ca = "ca/ca.pem"
reflection = false              # true lets `buf curl` and the like find the methods

[vault]
trust_domain = {_text(trust_domain)}
policy = "policy.toml"
log_id = {_text(LOG_ID)}

[storage]
driver = "sqlite"
data = "data/vault.db"
keys = "keys/keys.db"           # back this up apart from the data, and not for long

[root_key]
provider = "file"
path = "root.key"
{passphrase}
[logging]
level = "info"
{watched}"""


_ADMIN: Final = """
[admin]                         # figures and health, for this machine only: /metrics, /healthz, /readyz
"""


def client_toml(listen: Address, seeds: Mapping[str, str]) -> str:
    """How a caller reaches the vault; `seeds` gives the key file of each purpose in its custody."""
    text = f"""\
# How this caller reaches the vault. Relative paths start at this file's folder.

target = {_text(listen.target)}
server_name = {_text(SERVER_NAME)}
certificate = "cert.pem"
private_key = "key.pem"
ca = "ca.pem"
pins = "pins.json"
"""
    if seeds:
        text += "\n# Whoever has one of these and the vault's answers reads what was sealed for the purpose.\n"
        text += "[purpose_keys]\n"
        text += "".join(f"{purpose} = {_text(file)}\n" for purpose, file in seeds.items())
    return text


def gateway_toml() -> str:
    """Settings of the mail gateway, for the folder of the mail caller."""
    return """\
# Settings of the mail gateway (customer-vault mail-gateway --config this file). Relative paths start at this file's
# folder. docs/mail.md has the lines for Postfix.

hostname = "gateway.example.org"     # what it calls itself; a full domain name

[front]
lmtp = "127.0.0.1:10024"             # where the mail server hands messages over; smtp = "…" as well or instead
max_size = 52428800                  # bytes of a message

[relay]
next_hop = "smtp:127.0.0.1:10026"    # or lmtp:ADDRESS:PORT
workers = 4                          # messages that are handed over at a time

[owners]                             # whose mail it is; what is not listed is its domain's
file = "owners"

[metrics]
listen = "127.0.0.1:9445"

[vault]
caller = "."                         # the folder of the mail caller
"""


def owners() -> str:
    """The gateway's file of owners, empty."""
    return """\
# Whose mailbox an address is: the address (or @domain for all of it), then the customer's id. Read when it changes.
# ann@example.org    42
"""


def policy_tables(callers: Sequence[CallerPlan], fingerprints: Mapping[str, bytes]) -> str:
    """The end of policy.toml: who calls, and which keys the vault does not hold."""
    tables = [f"[callers.{_text(c.spiffe_id)}]\nroles = [{_text(c.role)}]\n" for c in callers]
    tables += [
        f'[keys.{purpose}]\ncurrent  = "{fingerprint.hex()}"\nrecovery = "none"\n'
        for purpose, fingerprint in fingerprints.items()
    ]
    return "\n\n" + "\n".join(tables)


def pins_json(vault_id: bytes, policy: Policy, fingerprints: Mapping[str, bytes], logs: Mapping[str, bytes]) -> str:
    """What SDKs trust: `fingerprints` by purpose, in any custody; `logs` are public keys by origin."""
    pins = {
        "vault_id": vault_id.hex(),
        "fields": {field: {"current": rule.audience, "former": []} for field, rule in policy.fields.items()},
        "purposes": {p: {"current": fingerprint.hex(), "next": None} for p, fingerprint in fingerprints.items()},
        "logs": {origin: key.hex() for origin, key in logs.items()},
    }
    return json.dumps(pins, indent=2) + "\n"


def _text(text: str) -> str:
    """A TOML text."""
    return json.dumps(text, ensure_ascii=True)
