"""The development authority issues what its profile says, and looks after its own key."""

import ipaddress
import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.pki.forge import BILLING, DOMAIN, NOW
from vault.errors import ConfigError, InvalidArgument
from vault.pki import identity, profile, spiffe
from vault.pki.authority import DevelopmentCA, IssuedCertificate

LOOPBACK = ipaddress.ip_address("127.0.0.1")
CALLER = spiffe.parse(BILLING)
SERVER = spiffe.parse("spiffe://vault.example/vault")


@pytest.fixture(scope="module")
def ca() -> DevelopmentCA:
    """An authority that tests only read."""
    return DevelopmentCA.create(DOMAIN, NOW)


def caller(ca: DevelopmentCA) -> x509.Certificate:
    """A caller's certificate."""
    return x509.load_pem_x509_certificate(ca.issue(CALLER, now=NOW).cert_pem)


def server(ca: DevelopmentCA) -> x509.Certificate:
    """The vault's certificate."""
    issued = ca.issue(SERVER, now=NOW, dns=["localhost"], ips=[LOOPBACK])
    return x509.load_pem_x509_certificate(issued.cert_pem)


def critical(cert: x509.Certificate) -> dict[type[x509.ExtensionType], bool]:
    """Which extensions there are, and whether a reader must understand them."""
    return {type(extension.value): extension.critical for extension in cert.extensions}


def test_the_authority_signs_leaves_of_its_own_domain_for_ten_years(ca: DevelopmentCA) -> None:
    """Path length 0 and the name constraint are critical: who does not understand them must refuse."""
    cert = ca.certificate
    extensions = cert.extensions
    assert critical(cert) == {
        x509.SubjectKeyIdentifier: False,
        x509.AuthorityKeyIdentifier: False,
        x509.BasicConstraints: True,
        x509.KeyUsage: True,
        x509.NameConstraints: True,
        x509.SubjectAlternativeName: False,
    }
    assert extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(
        ca=True, path_length=0
    )
    assert extensions.get_extension_for_class(x509.NameConstraints).value == x509.NameConstraints(
        [x509.UniformResourceIdentifier("vault.example")], None
    )
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (True, True, False)
    assert cert.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert cert.not_valid_after_utc == NOW + timedelta(days=3650)
    cert.verify_directly_issued_by(cert)


def test_a_callers_certificate_has_one_name_and_is_for_clients(ca: DevelopmentCA) -> None:
    """No subject, no host: nothing but the SPIFFE ID."""
    cert = caller(ca)
    extensions = cert.extensions
    assert critical(cert) == {
        x509.SubjectKeyIdentifier: False,
        x509.AuthorityKeyIdentifier: False,
        x509.BasicConstraints: True,
        x509.KeyUsage: True,
        x509.ExtendedKeyUsage: False,
        x509.SubjectAlternativeName: True,
    }
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(BILLING)]
    assert list(cert.subject) == []
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.crl_sign, usage.digital_signature) == (False, False, True)
    cert.verify_directly_issued_by(ca.certificate)


def test_the_servers_certificate_has_hosts_and_is_for_servers(ca: DevelopmentCA) -> None:
    """Its SPIFFE ID is still the only URI."""
    extensions = server(ca).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [SERVER]
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [LOOPBACK]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_keys_are_p256_and_every_certificate_has_its_own(ca: DevelopmentCA) -> None:
    """Key identifiers chain, and the private key handed out is the certificate's."""
    issued = ca.issue(CALLER, now=NOW)
    cert = x509.load_pem_x509_certificate(issued.cert_pem)
    key = serialization.load_pem_private_key(issued.key_pem.reveal(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert key.public_key() == cert.public_key() != caller(ca).public_key()
    aki = cert.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    ski = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert aki.key_identifier == ski.digest


def test_serials_are_random_positive_and_at_most_20_octets(ca: DevelopmentCA) -> None:
    """RFC 5280 section 4.1.2.2: the sign bit counts, so 159 bits."""
    serials = {caller(ca).serial_number for _ in range(20)} | {ca.certificate.serial_number}
    assert len(serials) == 21
    assert all(0 < serial < 2**159 for serial in serials)
    assert max(serials) > 2**128


def test_a_certificate_starts_five_minutes_back_and_lasts_ninety_days(ca: DevelopmentCA) -> None:
    """A peer whose clock is a little behind still accepts it."""
    cert = caller(ca)
    assert cert.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert cert.not_valid_after_utc == NOW + timedelta(days=90)


def test_a_leaf_never_outlives_its_authority(ca: DevelopmentCA) -> None:
    """Cut, and refused when nothing is left."""
    end = ca.certificate.not_valid_after_utc
    last = ca.issue(CALLER, now=end - timedelta(days=1))
    assert x509.load_pem_x509_certificate(last.cert_pem).not_valid_after_utc == end
    with pytest.raises(ConfigError, match="has expired"):
        ca.issue(CALLER, now=end)


def test_a_name_of_another_domain_is_not_issued(ca: DevelopmentCA) -> None:
    """The name constraint would refuse it anyway; here it says so in time."""
    with pytest.raises(InvalidArgument, match="trust domain"):
        ca.issue(spiffe.parse("spiffe://other.example/billing"), now=NOW)


@pytest.mark.parametrize("lifetime", [timedelta(), timedelta(days=-1)])
def test_a_lifetime_is_positive(ca: DevelopmentCA, lifetime: timedelta) -> None:
    """Nobody wants a certificate that was never valid."""
    with pytest.raises(InvalidArgument, match="lifetime"):
        ca.issue(CALLER, now=NOW, lifetime=lifetime)


def test_what_is_issued_is_what_identity_reads(ca: DevelopmentCA) -> None:
    """The two ends of this package agree."""
    found = identity.read(ca.issue(CALLER, now=NOW).cert_pem, DOMAIN)
    assert found.spiffe_id == CALLER


def test_a_loaded_authority_issues_under_the_same_certificate(ca: DevelopmentCA, tmp_path: Path) -> None:
    """Saved, loaded, and still the same authority of the same domain."""
    ca.save(tmp_path / "ca")
    loaded = DevelopmentCA.load(tmp_path / "ca")
    assert (loaded.ca_pem, loaded.trust_domain) == (ca.ca_pem, DOMAIN)
    caller(loaded).verify_directly_issued_by(ca.certificate)
    assert (tmp_path / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in (tmp_path / "ca").iterdir()) == ["ca.key", "ca.pem"]


def test_an_authority_never_replaces_another(ca: DevelopmentCA, tmp_path: Path) -> None:
    """It would orphan every certificate that the other one has issued."""
    DevelopmentCA.create(DOMAIN, NOW).save(tmp_path)
    before = (tmp_path / "ca.key").read_bytes()
    with pytest.raises(ConfigError, match="File exists"):
        ca.save(tmp_path)
    assert (tmp_path / "ca.key").read_bytes() == before


def damaged(directory: Path, file: str, data: bytes) -> ConfigError:
    """Overwrite one file of a saved authority and return what `load` says."""
    (directory / file).write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        DevelopmentCA.load(directory)
    assert caught.value.file == str(directory / file)
    assert caught.value.__cause__ is None
    return caught.value


def other_key(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    """A private key as PEM."""
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not an unencrypted PEM key"),
        (other_key(profile.new_key(), b"passphrase"), "is not an unencrypted PEM key"),
        (other_key(ed25519.Ed25519PrivateKey.generate()), "is not an elliptic-curve key"),
        (other_key(profile.new_key()), "is not the key of ca.pem"),
    ],
)
def test_a_wrong_key_file_is_refused(ca: DevelopmentCA, tmp_path: Path, data: bytes, why: str) -> None:
    """Each way in which it can be wrong has its own text."""
    ca.save(tmp_path)
    assert damaged(tmp_path, "ca.key", data).why == why


def test_a_wrong_certificate_file_is_refused(ca: DevelopmentCA, tmp_path: Path) -> None:
    """Not PEM; a caller's certificate (its name has a path)."""
    ca.save(tmp_path)
    for data in (b"", ca.issue(CALLER, now=NOW).cert_pem):
        assert damaged(tmp_path, "ca.pem", data).why == "is not the certificate of an authority made by init"


def test_an_issued_certificate_is_saved_and_replaced(ca: DevelopmentCA, tmp_path: Path) -> None:
    """Renewal writes over the old pair; the key stays its owner's."""
    for _ in range(2):
        issued = ca.issue(CALLER, now=NOW)
        issued.save(tmp_path / "billing")
    assert (tmp_path / "billing" / "cert.pem").read_bytes() == issued.cert_pem
    assert (tmp_path / "billing" / "key.pem").read_bytes() == issued.key_pem.reveal()
    assert (tmp_path / "billing" / "key.pem").stat().st_mode & 0o777 == 0o600


def test_private_keys_are_neither_shown_nor_pickled(ca: DevelopmentCA) -> None:
    """In no repr, and no object that holds one can be pickled."""
    issued: IssuedCertificate = ca.issue(CALLER, now=NOW)
    assert "PRIVATE" not in repr(issued)
    assert "Key" not in repr(ca).replace("SubjectKey", "")
    for holder in (issued, ca):
        with pytest.raises(TypeError, match="pickle"):
            pickle.dumps(holder)
