"""Certificates and a real server (T14): the whole matrix, and files that change under load.

tests/pki has the judgement in all its cases and tests/server what the edge does with it; here is that `customer-vault
serve`, with the folder that `init` makes, refuses each of them and drops nobody else.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.faults.trust import CALLER, DOMAIN, HOUR, Pair, Trust, answer, now, over_tls_1_2, pair, serial, until
from tests.figures import Figures
from tests.pki import forge
from tests.pki.forge import uri
from tests.running import serving
from vault.pki import profile, spiffe
from vault.pki.authority import DevelopmentCA

IN_TLS, ON_THE_CALL, NO_ROLE, SERVED = "UNAVAILABLE", "UNAUTHENTICATED", "PERMISSION_DENIED", "OK"
LOOKS = 2.5
"""Seconds in which the server has looked at its files at least once."""


@pytest.fixture
def trust(tmp_path: Path) -> Iterator[Trust]:
    """A vault whose files a test may spoil."""
    with serving(Trust.home(tmp_path)) as vault:
        yield Trust.of(vault)


def _self_signed(_: Trust) -> Pair:
    key = profile.new_key()
    start, end = now() - HOUR, now() + HOUR
    return forge.sign(key, key, [uri(CALLER)], common_name=CALLER, start=start, end=end), forge.private_pem(key)


def _other_authority(_: Trust) -> Pair:
    """Of the same name and domain."""
    return pair(DevelopmentCA.create(DOMAIN, now()).issue(spiffe.parse(CALLER), now=now()))


def _other_key(trust: Trust) -> Pair:
    """A good certificate, with a key that it was not made for: the client itself cannot use it."""
    return trust.caller().cert_pem, trust.caller().key_pem.reveal()


def _by_a_caller(trust: Trust) -> Pair:
    """Signed with a caller's key, and shown with the caller's certificate as its authority."""
    key, caller = profile.new_key(), trust.caller()
    issuer = x509.load_pem_x509_certificate(caller.cert_pem)
    signer = forge.private_key(caller.key_pem.reveal())
    names = [uri("spiffe://vault.example/billing")]
    start, end = now() - HOUR, now() + HOUR
    made = forge.sign(key, signer, names, common_name=CALLER, issuer=issuer.subject, start=start, end=end)
    return made + issuer.public_bytes(Encoding.PEM), forge.private_pem(key)


def _the_servers(trust: Trust) -> Pair:
    folder = trust.vault.home / "server"
    return (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()


OTHER = "spiffe://vault.example/billing"
MATRIX: dict[str, tuple[Callable[[Trust], Pair | None], str]] = {
    "good": (lambda t: pair(t.caller()), SERVED),
    "none": (lambda t: None, IN_TLS),
    "expired": (lambda t: t.forged(uri(CALLER), start=-2 * HOUR, end=-timedelta(seconds=5)), IN_TLS),
    "not yet valid": (lambda t: t.forged(uri(CALLER), start=timedelta(minutes=5)), IN_TLS),
    "another authority": (_other_authority, IN_TLS),
    "signed by itself": (_self_signed, IN_TLS),
    "signed by a caller": (_by_a_caller, IN_TLS),
    "another key": (_other_key, IN_TLS),
    "the server's own": (_the_servers, IN_TLS),
    "no SAN, common name only": (lambda t: t.forged(), ON_THE_CALL),
    "two SANs": (lambda t: t.forged(uri(CALLER), uri(OTHER)), ON_THE_CALL),
    "the same SAN twice": (lambda t: t.forged(uri(CALLER), uri(CALLER)), ON_THE_CALL),
    "DNS SAN only": (lambda t: t.forged(x509.DNSName("provisioning")), ON_THE_CALL),
    "e-mail SAN only": (lambda t: t.forged(x509.RFC822Name("a@vault.example")), ON_THE_CALL),
    "another trust domain": (lambda t: t.forged(uri("spiffe://other.example/provisioning")), IN_TLS),
    "a trust domain below ours": (lambda t: t.forged(uri("spiffe://x.vault.example/provisioning")), IN_TLS),
    "a URI that is no SPIFFE ID": (lambda t: t.forged(uri("https://vault.example/provisioning")), ON_THE_CALL),
    "the trust domain alone": (lambda t: t.forged(uri("spiffe://vault.example")), ON_THE_CALL),
    "an empty segment": (lambda t: t.forged(uri("spiffe://vault.example//provisioning")), ON_THE_CALL),
    "a caller without a role": (lambda t: pair(t.caller("spiffe://vault.example/balancer")), NO_ROLE),
}


async def test_the_matrix_of_certificates(trust: Trust, figures: Figures) -> None:
    """Each gets exactly what it should; TLS stops what it can, and the check on each call the rest."""
    seen = {name: await trust.outcome(make(trust)) for name, (make, _) in MATRIX.items()}
    wrong = {name: code for name, code in seen.items() if code != MATRIX[name][1]}
    assert b"TLS 1.3 is required" in await asyncio.to_thread(over_tls_1_2, trust)
    counts = dict(Counter(seen.values()))
    figures(f"{len(seen) + 1 - len(wrong)} of {len(seen) + 1} certificates and protocols as they should be: {counts}")
    assert not wrong
    assert (await trust.outcome(pair(trust.caller()))) == SERVED


async def test_what_ends_while_a_connection_is_open_ends_the_next_call(trust: Trust, figures: Figures) -> None:
    """Revoked by its serial, or expired; on the open connection and on new ones, and nobody else."""
    revoked, expiring, good = trust.caller(), trust.caller(lifetime=timedelta(seconds=4)), trust.caller()
    async with (
        trust.channel(pair(revoked)) as one,
        trust.channel(pair(expiring)) as two,
        trust.channel(pair(good)) as three,
    ):
        assert [await answer(each) for each in (one, two, three)] == [SERVED] * 3
        (trust.vault.home / "deny.txt").write_text(f"{serial(revoked)}\n")
        await asyncio.sleep(4.1)
        assert [await answer(each) for each in (one, two, three)] == [ON_THE_CALL, ON_THE_CALL, SERVED]
        (trust.vault.home / "deny.txt").write_text("no serial\n")
        await until(lambda: any("refused" in line["event"] for line in trust.said()))
        assert [await answer(each) for each in (one, three)] == [ON_THE_CALL, SERVED]
    assert await trust.outcome(pair(revoked)) == ON_THE_CALL
    assert await trust.outcome(pair(expiring)) == IN_TLS
    figures("revoked, expired, and a bad deny-list while connections are open: 8 of 8 as they should be")


async def test_the_servers_certificate_rotates_under_load(trust: Trust, figures: Figures) -> None:
    """Callers that stay and callers that connect anew: no call is dropped, and new ones see the new certificate."""
    caller, calls, done = pair(trust.caller()), Counter[str](), asyncio.Event()

    async def stays() -> None:
        async with trust.channel(caller) as channel:
            while not done.is_set():
                calls["stays", await answer(channel)] += 1  # type: ignore[index]
                await asyncio.sleep(0.005)

    async def comes() -> None:
        while not done.is_set():
            calls["comes", await trust.outcome(caller)] += 1  # type: ignore[index]

    tasks = [asyncio.create_task(each()) for each in (stays, stays, comes, comes)]
    serials = [await trust.shown()]
    for _ in range(3):
        trust.serve_with(trust.ca)
        await asyncio.sleep(LOOKS)
        serials.append(await trust.shown())
    done.set()
    await asyncio.gather(*tasks)
    dropped = {key: count for key, count in calls.items() if key[1] != SERVED}
    figures(f"{len(serials) - 1} rotations under {calls.total()} calls {dict(calls)}: dropped {sum(dropped.values())}")
    assert not dropped
    assert len(set(serials)) == 4


async def test_the_authority_rotates_with_two_in_the_bundle(trust: Trust, figures: Figures) -> None:
    """Old alone, both, new alone; a caller is served as long as its authority stands in the bundle."""
    old, new = trust.ca, DevelopmentCA.create(DOMAIN, now())
    callers = [pair(ca.issue(spiffe.parse(CALLER), now=now())) for ca in (old, new)]
    both, bundle = old.ca_pem + new.ca_pem, trust.vault.home / "ca/ca.pem"
    steps: list[list[str]] = []
    async with trust.channel(callers[0], both) as stays:
        for content, server in ((old.ca_pem, old), (both, old), (both, new), (new.ca_pem, new)):
            bundle.write_bytes(content)
            trust.serve_with(server)
            await asyncio.sleep(LOOKS)
            steps.append([await trust.outcome(each, both) for each in callers])
            assert await answer(stays) == SERVED
    figures(f"old, both, both with the new server certificate, new: {steps}; the connection from before stayed")
    assert steps == [[SERVED, IN_TLS], [SERVED, SERVED], [SERVED, SERVED], [IN_TLS, SERVED]]


BAD: dict[str, Callable[[Trust], dict[str, bytes]]] = {
    "no PEM": lambda t: {"server/cert.pem": b"hello"},
    "an empty certificate": lambda t: {"server/cert.pem": b""},
    "another key": lambda t: {"server/key.pem": t.caller().key_pem.reveal()},
    "an expired certificate": lambda t: {"server/cert.pem": _server(t, start=-2 * HOUR, end=-HOUR)},
    "a certificate of tomorrow": lambda t: {"server/cert.pem": _server(t, start=HOUR, end=2 * HOUR)},
    "an empty bundle": lambda t: {"ca/ca.pem": b""},
    "a bundle cut short": lambda t: {"ca/ca.pem": t.ca.ca_pem[:-60]},
}


def _server(trust: Trust, start: timedelta, end: timedelta) -> bytes:
    """For the server's own key, so that only the dates are wrong."""
    key = forge.private_key((trust.vault.home / "server/key.pem").read_bytes())
    hosts, issuer = [x509.DNSName("localhost"), uri("spiffe://vault.example/vault")], trust.ca.certificate.subject
    dates = now() + start, now() + end
    return forge.sign(key, trust.ca._key, hosts, common_name="x", issuer=issuer, start=dates[0], end=dates[1])


async def test_bad_new_files_keep_the_old_and_say_so(trust: Trust, figures: Figures) -> None:
    """Each kind of mistake in turn, put right in between; callers connect as before all the time."""
    before, caller, kept = await trust.shown(), pair(trust.caller()), 0
    for name, make in BAD.items():
        good = {file: (trust.vault.home / file).read_bytes() for file in make(trust)}
        refused = len(_refusals(trust))
        for file, content in make(trust).items():
            (trust.vault.home / file).write_bytes(content)
        await until(lambda: len(_refusals(trust)) > refused)  # noqa: B023 - waited for at once
        assert await trust.shown() == before, name
        assert await trust.outcome(caller) == SERVED, name
        for file, content in good.items():
            (trust.vault.home / file).write_bytes(content)
        await asyncio.sleep(1.2)
        assert await trust.outcome(caller) == SERVED, name
        kept += 1
    figures(f"{kept} of {len(BAD)} bad files kept the old: {sorted({line['why'] for line in _refusals(trust)})}")


def _refusals(trust: Trust) -> list[dict[str, str]]:
    return [line for line in trust.said() if line["event"] == "file refused, what was read before stays"]
