"""One box, two keys: AES-GCM does not commit to its key, so the epoch must.

A caller who seals may publish an epoch whose stanzas disagree: E for one purpose, E' for another. With AES-GCM alone it
can then make one ciphertext that opens under the keys of both, and provisioning and billing would each read, under one
signature of the log, another value. The box below really does open under both; what stops it is that epoch_id commits
to E, so that whoever gets E' refuses its stanza.
"""

import secrets

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.abuse.billing import PURPOSE, Billing
from tests.abuse.sealer import SealedSide
from tests.vaults import OpenVault
from vault.crypto.context import encode
from vault.crypto.envelope import Step, envelope_key
from vault.crypto.epoch import epoch_id as commitment
from vault.crypto.epoch import new_epoch_secret, step_key
from vault.errors import InvalidArgument, OpenError
from vault.v1 import contact_service_pb2 as contacts
from vault.v1.envelope_pb2 import Envelope
from vault.v1.records_pb2 import Contact

NAME = "customers/42/contact"
FIELD = "contact.name"
_R = 0xE1 << 120


def _times(x: int, y: int) -> int:
    """Multiplication in GF(2^128) as GCM has it (NIST SP 800-38D, section 6.3)."""
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= y
        y = y >> 1 ^ (_R if y & 1 else 0)
    return z


def _inverse(x: int) -> int:
    """x^(2^128 - 2)."""
    result, power = 1 << 127, x
    for _ in range(127):
        power = _times(power, power)
        result = _times(result, power)
    return result


def _block(key: bytes, block: bytes) -> int:
    encryptor = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305 - the block cipher itself
    return int.from_bytes(encryptor.update(block), "big")


def _ghash(h: int, aad: bytes, blocks: list[int]) -> int:
    padded = aad + bytes(-len(aad) % 16)
    parts = [int.from_bytes(padded[i : i + 16], "big") for i in range(0, len(padded), 16)]
    y = 0
    for x in [*parts, *blocks, (len(aad) * 8) << 64 | len(blocks) * 128]:
        y = _times(y ^ x, h)
    return y


def salamander(keys: tuple[bytes, bytes], nonce: bytes, aad: bytes, first: bytes) -> bytes:
    """Two blocks and a tag that decrypt under both keys; under the first key they begin with `first` (16 bytes)."""
    counter = nonce + (2).to_bytes(4, "big")
    fixed = _block(keys[0], counter) ^ int.from_bytes(first, "big")
    h = [_block(key, bytes(16)) for key in keys]
    mask = [_block(key, nonce + (1).to_bytes(4, "big")) for key in keys]
    # The tag is linear in the free block, which is multiplied by h^2: solve for equal tags.
    rest = [_ghash(h[i], aad, [fixed, 0]) ^ mask[i] for i in (0, 1)]
    free = _times(rest[0] ^ rest[1], _inverse(_times(h[0], h[0]) ^ _times(h[1], h[1])))
    tag = _ghash(h[0], aad, [fixed, free]) ^ mask[0]
    return b"".join(part.to_bytes(16, "big") for part in (fixed, free, tag))


async def test_a_box_that_opens_under_two_keys_is_read_by_one_purpose_at_most(vault: OpenVault) -> None:
    """The storefront seals it under E for the vault's purposes and under E' for billing, who refuses the epoch."""
    await vault.create()
    audience = vault.vault.policy.audience(FIELD)
    side = SealedSide(vault.parts.keyring, audience)
    other = new_epoch_secret()
    publication = side.publication()
    for stanza in publication.stanzas:
        if stanza.purpose == PURPOSE:
            recipient = side.recipients[PURPOSE]  # type: ignore[index]
            info = encode(
                "customer-vault/1 epoch-key", side.vault_id, audience, side.epoch_id, PURPOSE, recipient.fingerprint
            )
            stanza.sealed = recipient.seal(other.reveal(), info)
    await vault.call("storefront", "KeyService.PublishEpoch", publication)

    salt, nonce, aad = secrets.token_bytes(32), secrets.token_bytes(12), encode("customer-vault/1 field", FIELD)
    steps = [Step(audience, side.epoch_id, 0, step_key(secret, 0)) for secret in (side.secret, other)]
    keys = (envelope_key(side.vault_id, steps[0], NAME, salt), envelope_key(side.vault_id, steps[1], NAME, salt))
    box = salamander(keys, nonce, aad, b"Ann or another ?")
    plaintexts = [AESGCM(key).decrypt(nonce, box, aad) for key in keys]  # both open: GCM does not commit
    assert plaintexts[0].startswith(b"Ann or another ?")
    assert plaintexts[0] != plaintexts[1]

    sealed = Envelope(epoch_id=side.epoch_id, salt=salt)
    sealed.boxes.add(field=2, ciphertext=nonce + box)
    put = contacts.PutContactRequest(customer_id="42", contact=Contact(sealed=[sealed]))
    await vault.call("storefront", "ContactService.PutContact", put)
    contact = await vault.get_contact("billing")
    with pytest.raises(OpenError):
        await Billing(vault.home).open(vault, NAME, contact)


async def test_an_epoch_whose_stanzas_disagree_is_refused_where_the_vault_can_open_one(vault: OpenVault) -> None:
    """E' in a stanza of a purpose in vault custody is seen at once; so is the epoch_id of another secret."""
    audience = vault.vault.policy.audience(FIELD)
    side, stranger = SealedSide(vault.parts.keyring, audience), SealedSide(vault.parts.keyring, audience)
    mixed = side.publication()
    for stanza, foreign in zip(mixed.stanzas, stranger.stanzas(), strict=True):
        if stanza.purpose == "account_service":
            stanza.sealed = foreign.sealed
    wrong_id = side.publication()
    wrong_id.epoch_id = commitment(stranger.secret, side.vault_id, audience)
    for request in (mixed, wrong_id):
        assert isinstance(await vault.refusal("storefront", "KeyService.PublishEpoch", request), InvalidArgument)
