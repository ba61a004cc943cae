"""The certificates of a first vault: an authority, the server's, one for each caller.

They last 90 days, so that nobody takes them into production by forgetting them; `doctor` counts the days.
"""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address

from vault.cli.deployment.layout import SERVER_NAME, Address, CallerPlan, Layout
from vault.pki import files, spiffe
from vault.pki.authority import DevelopmentCA
from vault.pki.spiffe import TrustDomain

_LOOPBACK = IPv4Address("127.0.0.1")


def issue_all(
    at: Layout, trust_domain: TrustDomain, listen: Address, callers: Sequence[CallerPlan], now: datetime
) -> None:
    """Make the authority and everything that it signs; `now` is aware.

    Raises:
        ConfigError: a file cannot be written.
    """
    authority = DevelopmentCA.create(trust_domain, now)
    authority.save(at.authority)
    dns, ips = _names_of(listen)
    own_name = spiffe.parse(f"spiffe://{trust_domain}/vault")
    authority.issue(own_name, now=now, dns=dns, ips=ips).save(at.server)
    files.make_directory(at.callers)
    for caller in callers:
        folder = at.caller(caller.name)
        authority.issue(caller.spiffe_id, now=now).save(folder)
        files.write_new(folder / "ca.pem", authority.ca_pem, files.SECRET)


def _names_of(listen: Address) -> tuple[list[str], list[IPv4Address | IPv6Address]]:
    """What the server is called: the loopback's names always, the host it listens on besides."""
    dns: list[str] = [SERVER_NAME]
    ips: list[IPv4Address | IPv6Address] = [_LOOPBACK]
    ip = listen.ip
    if ip is None and listen.host not in dns:
        dns.append(listen.host)
    if ip is not None and not ip.is_unspecified and ip not in ips:
        ips.append(ip)
    return dns, ips
