"""Envelopes, epochs and stanzas that a caller seals wrongly: the vault cannot look inside, so it checks what shows.

Those marked as expected failures are gaps that were found; the mark is strict, so closing one asks for its removal.
"""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.abuse.billing import Billing
from tests.abuse.refusals import CARD_NAME, kept, refused, warm
from tests.abuse.sealer import SealedSide
from tests.vaults import OpenVault
from vault.crypto.context import encode
from vault.crypto.epoch import seal_stanza
from vault.crypto.hpke import PurposeKeyPair, Recipient, new_seed
from vault.errors import AlreadyExists, FailedPrecondition, InvalidArgument, OpenError, PermissionDenied, VaultError
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import key_service_pb2 as keys
from vault.v1 import payment_service_pb2 as payments
from vault.v1.envelope_pb2 import Envelope
from vault.v1.records_pb2 import Card, Contact

AUDIENCE = "payment_processing"
NAME = "customers/42/cards/new"
VALUES = {"card_number": "4242424242424242", "expiry": "12/2040", "holder_name": "Sensible Holder"}
HOURS = 3_600_000
refusal = (InvalidArgument, FailedPrecondition)


@pytest.fixture
async def sealing(vault: OpenVault) -> SealedSide:
    """The storefront, with an epoch for cards that it published."""
    await warm(vault)
    side = SealedSide(vault.parts.keyring, AUDIENCE)
    await vault.call("storefront", "KeyService.PublishEpoch", side.publication())
    return side


def add(*envelopes: Envelope, **plain: str) -> payments.AddCardRequest:
    """Add a sealed card."""
    card = Card(sealed=envelopes)
    for field, text in plain.items():
        setattr(card, field, text)
    return payments.AddCardRequest(customer_id="42", card_id="new", card=card)


def good(side: SealedSide) -> Envelope:
    """What a storefront that does it right sends."""
    return side.seal(NAME, VALUES, Card)


def cut(envelope: Envelope, at: int, by: int) -> Envelope:
    """A box made shorter, or longer with random bytes."""
    box = envelope.boxes[at].ciphertext
    envelope.boxes[at].ciphertext = box[:by] if by < 0 else box + secrets.token_bytes(by)
    return envelope


def changed(envelope: Envelope, **fields: Any) -> Envelope:
    """Another epoch_id, step or salt."""
    for name, value in fields.items():
        setattr(envelope, name, value)
    return envelope


def with_box(envelope: Envelope, field: int) -> Envelope:
    """One more box."""
    envelope.boxes.add(field=field, ciphertext=secrets.token_bytes(60))
    return envelope


def backwards(envelope: Envelope) -> Envelope:
    """The boxes in another order."""
    boxes = list(envelope.boxes)[::-1]
    return Envelope(epoch_id=envelope.epoch_id, step=envelope.step, salt=envelope.salt, boxes=boxes)


BAD_CARDS: dict[str, Callable[[SealedSide], payments.AddCardRequest]] = {
    "no expiry": lambda s: add(s.seal(NAME, {"card_number": VALUES["card_number"]}, Card)),
    "no number": lambda s: add(s.seal(NAME, {"expiry": "12/2040"}, Card)),
    "an empty envelope": lambda s: add(good(s), Envelope(epoch_id=s.epoch_id, salt=bytes(32))),
    "a truncated box": lambda s: add(cut(good(s), 0, -1)),
    "half a box": lambda s: add(cut(good(s), 0, -30)),
    "a box that is longer": lambda s: add(cut(good(s), 0, 1)),
    "an empty box": lambda s: add(cut(good(s), 0, -10_000)),
    "a box of nothing but nonce and tag": lambda s: add(cut(good(s), 0, -32)),
    "a box that is too large": lambda s: add(cut(good(s), 0, 1024)),
    "boxes out of order": lambda s: add(backwards(good(s))),
    "a field twice in one envelope": lambda s: add(with_box(good(s), 4)),
    "a field twice in two envelopes": lambda s: add(good(s), s.seal(NAME, {"holder_name": "Other"}, Card)),
    "field 0": lambda s: add(backwards(with_box(backwards(good(s)), 0))),
    "the record name as a field": lambda s: add(backwards(with_box(backwards(good(s)), 1))),
    "a field that no card has": lambda s: add(with_box(good(s), 7)),
    "a field that nothing has": lambda s: add(with_box(good(s), (1 << 32) - 1)),
    "six envelopes": lambda s: add(*[good(s)] * 6),
    "a short salt": lambda s: add(changed(good(s), salt=bytes(31))),
    "no salt": lambda s: add(changed(good(s), salt=b"")),
    "a long salt": lambda s: add(changed(good(s), salt=bytes(33))),
    "a short epoch": lambda s: add(changed(good(s), epoch_id=bytes(31))),
    "no epoch": lambda s: add(changed(good(s), epoch_id=b"")),
    "a step beyond the last": lambda s: add(changed(good(s), step=1024)),
    "a step beyond all": lambda s: add(changed(good(s), step=(1 << 32) - 1)),
    "an epoch that nobody published": lambda s: add(changed(good(s), epoch_id=secrets.token_bytes(32))),
    "a field in plain besides": lambda s: add(good(s), holder_name="Sensible Holder"),
    "another field in plain": lambda s: add(good(s), brand="visa"),
    "no name": lambda s: payments.AddCardRequest(customer_id="42", card=Card(sealed=[good(s)])),
    "two names": lambda s: add(good(s), record_name="customers/42/cards/other"),
    "somebody else's name": lambda s: add(good(s), record_name="customers/43/cards/new"),
}


@pytest.mark.parametrize("bad", BAD_CARDS)
async def test_a_sealed_card_is_whole(vault: OpenVault, sealing: SealedSide, bad: str) -> None:
    """Nothing of it is stored otherwise."""
    await refused(vault, "storefront", "PaymentService.AddCard", BAD_CARDS[bad](sealing), refusal)


async def test_the_good_card_of_these_tests_is_good(vault: OpenVault, sealing: SealedSide) -> None:
    """Else the refusals above would prove nothing."""
    await vault.call("storefront", "PaymentService.AddCard", add(good(sealing)))
    assert await Billing(vault.home).open(vault, NAME, await vault.get_card(NAME)) == VALUES


async def test_an_epoch_is_used_by_whoever_published_it_alone(vault: OpenVault, sealing: SealedSide) -> None:
    """Not one of the vault's own, seen in an answer; not one that the mail system published for cards."""
    own = (await vault.get_card(CARD_NAME)).sealed[0]
    foreign = SealedSide(vault.parts.keyring, AUDIENCE)
    await vault.call("mail", "KeyService.PublishEpoch", foreign.publication())
    for envelope in (own, foreign.seal(NAME, VALUES, Card)):
        await refused(vault, "storefront", "PaymentService.AddCard", add(envelope), FailedPrecondition)


async def test_an_epoch_is_used_for_a_day_and_an_hour(vault: OpenVault, sealing: SealedSide) -> None:
    """25 hours later it is another day's."""
    vault.now_shift = 25 * HOURS + 60_000
    await refused(vault, "storefront", "PaymentService.AddCard", add(good(sealing)), FailedPrecondition)
    vault.now_shift = 25 * HOURS - 60_000
    await vault.call("storefront", "PaymentService.AddCard", add(good(sealing)))


async def test_an_envelope_is_for_the_audience_of_its_fields(vault: OpenVault, sealing: SealedSide) -> None:
    """A card under a contact's audience would be for the vault to open; a contact under a card's for billing alone."""
    for field in ("contact.name", "contact.phone"):
        side = SealedSide(vault.parts.keyring, vault.vault.policy.audience(field))
        await vault.call("storefront", "KeyService.PublishEpoch", side.publication())
        await refused(vault, "storefront", "PaymentService.AddCard", add(good(side)), FailedPrecondition)
    for name in ("name", "phone"):
        sealed = sealing.seal("customers/42/contact", {name: "Sensible Name"}, Contact)
        put = contacts.PutContactRequest(customer_id="42", contact=Contact(sealed=[sealed]))
        await refused(vault, "storefront", "ContactService.PutContact", put, FailedPrecondition)
    wrong = side.seal("customers/42/contact", {"name": "Sensible Name"}, Contact)  # the audience of phones
    put = contacts.PutContactRequest(customer_id="42", contact=Contact(sealed=[wrong]))
    await refused(vault, "storefront", "ContactService.PutContact", put, FailedPrecondition)


async def test_a_masked_write_seals_what_the_mask_names(vault: OpenVault, sealing: SealedSide) -> None:
    """Nothing beside it, and not in plain and sealed at once."""
    side = SealedSide(vault.parts.keyring, vault.vault.policy.audience("contact.name"))
    await vault.call("storefront", "KeyService.PublishEpoch", side.publication())
    sealed = side.seal("customers/42/contact", {"name": "Sensible Name"}, Contact)
    for mask, plain in ((["city"], ""), (["name"], "Sensible Name"), (["city", "name"], "Sensible Name")):
        put = contacts.PutContactRequest(customer_id="42", contact=Contact(sealed=[sealed], name=plain))
        put.update_mask.paths.extend(mask)
        await refused(vault, "storefront", "ContactService.PutContact", put, InvalidArgument)


async def test_an_envelope_that_was_sealed_for_another_record_opens_for_nobody(
    vault: OpenVault, sealing: SealedSide
) -> None:
    """The vault cannot see it; the name that billing asks for is in the key."""
    elsewhere = sealing.seal("customers/43/cards/new", VALUES, Card)
    await vault.call("storefront", "PaymentService.AddCard", add(elsewhere))
    with pytest.raises(OpenError):
        await Billing(vault.home).open(vault, NAME, await vault.get_card(NAME))


@pytest.mark.parametrize("place", ["envelope", "box"])
async def test_nothing_hides_beside_a_box(vault: OpenVault, sealing: SealedSide, place: str) -> None:
    """A security code or a number in plain, in a field of a client's own making, is not stored with the boxes."""
    code = b"security-code-737-of-4242424242424242"
    envelope = good(sealing)
    (envelope if place == "envelope" else envelope.boxes[0]).MergeFromString(b"\x82\x7d" + bytes([len(code)]) + code)
    try:
        await vault.call("storefront", "PaymentService.AddCard", add(envelope))
    except InvalidArgument:
        return
    assert code not in (await vault.get_card(NAME)).SerializeToString()
    assert not await kept(vault, code)


def stranger() -> Recipient:
    """Somebody's public key."""
    return Recipient(PurposeKeyPair(new_seed()).public_key)


Publication = keys.PublishEpochRequest


def spoil(change: Callable[[Publication, keys.Stanza], object]) -> Callable[[SealedSide], Publication]:
    """A publication that is good but for one change; it is given the request and its first stanza."""

    def make(side: SealedSide) -> Publication:
        request = side.publication()
        change(request, request.stanzas[0])
        return request

    return make


def for_the_attacker(side: SealedSide) -> Publication:
    """All stanzas that are needed, and one more of the first purpose to a stranger's key."""
    request, own = side.publication(), stranger()
    purpose = request.stanzas[0].purpose
    sealed = seal_stanza(side.secret, side.vault_id, side.audience, purpose, own)
    request.stanzas.add(purpose=purpose, fingerprint=own.fingerprint, sealed=sealed)
    return request


def exchange(one: keys.Stanza, other: keys.Stanza) -> None:
    """Two purposes exchange keys."""
    one.fingerprint, other.fingerprint = other.fingerprint, one.fingerprint


def under(audience: Callable[[str], str]) -> Callable[[SealedSide], Publication]:
    """The same stanzas, for another audience."""
    return spoil(lambda request, _: setattr(request, "audience", audience(request.audience)))


BAD_EPOCHS: dict[str, Callable[[SealedSide], Publication]] = {
    "a stanza too few": spoil(lambda r, _: r.stanzas.pop()),
    "a stanza too many": spoil(
        lambda r, _: r.stanzas.add(purpose="mail_delivery", fingerprint=bytes(32), sealed=bytes(1168))
    ),
    "a stanza twice": spoil(lambda r, first: r.stanzas.append(first)),
    "a stanza twice for another": spoil(lambda r, first: r.stanzas[-1].CopyFrom(first)),
    "no stanza": spoil(lambda r, _: r.ClearField("stanzas")),
    "a key that is none": spoil(lambda _, first: setattr(first, "fingerprint", secrets.token_bytes(32))),
    "another purpose's key": spoil(lambda r, first: exchange(first, r.stanzas[-1])),
    "a stanza for the attacker": for_the_attacker,
    "a short stanza": spoil(lambda _, first: setattr(first, "sealed", first.sealed[:-1])),
    "a long stanza": spoil(lambda _, first: setattr(first, "sealed", first.sealed + b"\0")),
    "a short id": spoil(lambda r, _: setattr(r, "epoch_id", r.epoch_id[:-1])),
    "another id": spoil(lambda r, _: setattr(r, "epoch_id", secrets.token_bytes(32))),
    "an audience that no field has": under(lambda _: "account_service"),
    "an audience out of order": under(lambda audience: "+".join(reversed(audience.split("+")))),
    "an audience with one twice": under(lambda audience: f"{audience.split('+')[0]}+{audience}"),
    "an audience that is none": under(lambda _: "everybody who asks"),
}


@pytest.mark.parametrize("bad", BAD_EPOCHS)
async def test_an_epoch_is_published_whole_or_not_at_all(vault: OpenVault, bad: str) -> None:
    """One stanza for each member of a current audience, to its active key."""
    await warm(vault)
    side = SealedSide(vault.parts.keyring, vault.vault.policy.audience("contact.name"))
    await refused(vault, "storefront", "KeyService.PublishEpoch", BAD_EPOCHS[bad](side), refusal)


async def test_an_epoch_is_published_once(vault: OpenVault, sealing: SealedSide) -> None:
    """Neither its owner nor anybody else replaces it."""
    for role in ("storefront", "mail"):
        await refused(vault, role, "KeyService.PublishEpoch", sealing.publication(), AlreadyExists)


async def test_a_stanza_to_a_key_of_the_attackers_is_refused_by_who_opens_it(vault: OpenVault) -> None:
    """The vault cannot open a stanza for billing; billing finds that it is not for its key, and opens nothing."""
    await warm(vault)
    side, own = SealedSide(vault.parts.keyring, AUDIENCE), stranger()
    request = side.publication()
    recipient = next(iter(side.recipients.values()))
    info = encode("customer-vault/1 epoch-key", side.vault_id, AUDIENCE, side.epoch_id, AUDIENCE, recipient.fingerprint)
    request.stanzas[0].sealed = own.seal(side.secret.reveal(), info)
    await vault.call("storefront", "KeyService.PublishEpoch", request)
    await vault.call("storefront", "PaymentService.AddCard", add(side.seal(NAME, VALUES, Card)))
    with pytest.raises(OpenError):
        await Billing(vault.home).open(vault, NAME, await vault.get_card(NAME))


async def test_a_reseal_replaces_nothing(vault: OpenVault, sealing: SealedSide) -> None:
    """What is there stays; what is another's, or for a key that nobody registered, is refused."""
    billing = Billing(vault.home)
    junk = keys.Stanza(purpose=AUDIENCE, fingerprint=billing.pair.fingerprint, sealed=secrets.token_bytes(1168))
    request = keys.ResealEpochsRequest(stanzas=[keys.EpochStanza(epoch_id=sealing.epoch_id, stanza=junk)])
    answer = await vault.call("billing", "KeyService.ResealEpochs", request)
    assert (answer.added, answer.unchanged) == (0, 1)
    await vault.call("storefront", "PaymentService.AddCard", add(good(sealing)))
    assert await billing.open(vault, NAME, await vault.get_card(NAME)) == VALUES
    for change, kind in (
        ({"purpose": "mail_delivery"}, PermissionDenied),
        ({"fingerprint": secrets.token_bytes(32)}, InvalidArgument),
        ({"sealed": bytes(1167)}, InvalidArgument),
    ):
        bad = keys.Stanza()
        bad.CopyFrom(junk)
        for name, value in change.items():
            setattr(bad, name, value)
        request = keys.ResealEpochsRequest(stanzas=[keys.EpochStanza(epoch_id=sealing.epoch_id, stanza=bad)])
        await refused(vault, "billing", "KeyService.ResealEpochs", request, kind)
    request = keys.ResealEpochsRequest(stanzas=[keys.EpochStanza(epoch_id=bytes(32), stanza=junk)])
    await refused(vault, "billing", "KeyService.ResealEpochs", request, InvalidArgument)


@pytest.mark.parametrize("key", [bytes(1216), secrets.token_bytes(1216), bytes(1215), stranger().public_key])
async def test_a_key_that_the_policy_does_not_name_is_not_registered(vault: OpenVault, key: bytes) -> None:
    """Nor one that is no key."""
    await warm(vault)
    request = keys.RegisterPurposeKeyRequest(purpose=AUDIENCE, public_key=key)
    await refused(vault, "billing", "KeyService.RegisterPurposeKey", request, refusal)


@pytest.mark.parametrize("role", ["mail", "legal"])
async def test_stanzas_are_for_their_own_purpose(vault: OpenVault, sealing: SealedSide, role: str) -> None:
    """Another custodian gets none of billing's, whether it names the purpose or only the key."""
    fingerprint = Billing(vault.home).pair.fingerprint
    named = keys.GetEpochKeysRequest(epoch_ids=[sealing.epoch_id], purpose=AUDIENCE, fingerprint=fingerprint)
    error: VaultError = await refused(vault, role, "KeyService.GetEpochKeys", named, PermissionDenied)
    assert "payment" not in str(error)
    unnamed = keys.GetEpochKeysRequest(epoch_ids=[sealing.epoch_id], fingerprint=fingerprint)
    assert not (await vault.call(role, "KeyService.GetEpochKeys", unnamed)).epoch_keys
