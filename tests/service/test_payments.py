"""Adding, reading, listing and deleting cards."""

import pytest

from tests.vaults import CARD_NUMBER, OpenVault, card, new_request_id
from vault.crypto import envelope, fields
from vault.crypto.epoch import EpochId, open_stanza, step_key
from vault.crypto.hpke import PurposeKeyPair
from vault.domain.fields import protected_fields
from vault.domain.secret import Secret
from vault.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from vault.v1 import key_service_pb2 as keys
from vault.v1 import payment_service_pb2 as v1
from vault.v1 import records_pb2 as records


async def add(vault: OpenVault, added: records.Card, card_id: str = "", **parts: str) -> records.Card:
    """Add a card to customer 42 as the storefront."""
    request = v1.AddCardRequest(customer_id="42", card=added, card_id=card_id, **parts)
    answer: v1.AddCardResponse = await vault.call("storefront", "PaymentService.AddCard", request)
    return answer.card


async def open_as_billing(vault: OpenVault, card: records.Card) -> records.Card:
    """Open a card the way billing does: with the private key that only billing has."""
    seed = (vault.home / "callers" / "billing" / "payment_processing.key").read_text().strip()
    pair = PurposeKeyPair(Secret(bytes.fromhex(seed)))
    opened = records.Card()
    for sealed in card.sealed:
        request = keys.GetEpochKeysRequest(epoch_ids=[sealed.epoch_id], fingerprint=pair.fingerprint)
        (key,) = (await vault.call("billing", "KeyService.GetEpochKeys", request)).epoch_keys
        secret = open_stanza(key.stanza, key.vault_id, key.audience, sealed.epoch_id, "payment_processing", pair)
        step = envelope.Step(key.audience, EpochId(sealed.epoch_id), sealed.step, step_key(secret, sealed.step))
        wanted = {f.number: f for f in protected_fields(records.Card).values()}
        for field, plaintext in envelope.open_boxes(key.vault_id, step, card.record_name, sealed, wanted):
            fields.put(opened, field, plaintext)
    return opened


async def test_billing_opens_what_was_written_in_plain(vault: OpenVault) -> None:
    """Number in digits, brand and last four derived."""
    await vault.create(cards=[card(card_number="4111 1111 1111 1111")])
    (name,) = [c.record_name for c in (await list_cards(vault, "billing"))]
    opened = await open_as_billing(vault, await vault.get_card(name))
    assert (opened.card_number, opened.brand, opened.last_four) == (CARD_NUMBER, "visa", "1111")


async def list_cards(vault: OpenVault, role: str, **parts: object) -> list[records.Card]:
    """List the cards of customer 42."""
    request = v1.ListCardsRequest(customer_id="42", **parts)  # type: ignore[arg-type]
    return list((await vault.call(role, "PaymentService.ListCards", request)).cards)


async def test_a_caller_without_the_purpose_gets_names_and_times(vault: OpenVault) -> None:
    """Care sees that there is a card, and nothing of it."""
    await vault.create()
    (listed,) = await list_cards(vault, "care")
    assert listed.record_name
    assert listed.HasField("create_time")
    assert not listed.sealed


async def test_provisioning_cannot_read_a_card(vault: OpenVault) -> None:
    """The refusal quotes the clause, whether or not the card exists."""
    created = await vault.create()
    texts = set()
    for name in (created.record_names[1], "customers/nobody/cards/nothing"):
        request = v1.GetCardRequest(record_name=name, purpose="payment_processing")
        error = await vault.refusal("provisioning", "PaymentService.GetCard", request)
        assert isinstance(error, PermissionDenied)
        assert error.clause == "We use payment information for payment processing purposes only."
        texts.add((str(error), error.reason))
    assert len(texts) == 1


async def test_a_chosen_card_id_is_used_once(vault: OpenVault) -> None:
    """AIP-133: the second one is refused."""
    await vault.create(cards=[])
    assert (await add(vault, card(), "main")).record_name == "customers/42/cards/main"
    with pytest.raises(AlreadyExists):
        await add(vault, card(), "main")


async def test_adding_is_idempotent_under_a_request_id(vault: OpenVault) -> None:
    """The same request gives the same card."""
    await vault.create(cards=[])
    request_id = new_request_id()
    first = await add(vault, card(), request_id=request_id)
    assert await add(vault, card(), request_id=request_id) == first
    assert len(await list_cards(vault, "billing")) == 1


async def test_a_card_needs_a_customer(vault: OpenVault) -> None:
    """No card without its data subject."""
    with pytest.raises(NotFound):
        await add(vault, card())


async def test_listing_pages(vault: OpenVault) -> None:
    """Five cards, two at a time."""
    await vault.create(cards=[card() for _ in range(5)])
    request = v1.ListCardsRequest(customer_id="42", page_size=2)
    sizes = []
    while True:
        answer = await vault.call("billing", "PaymentService.ListCards", request)
        sizes.append(len(answer.cards))
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert sizes == [2, 2, 1]


async def test_a_deleted_card_is_gone(vault: OpenVault) -> None:
    """Its key is destroyed with it."""
    created = await vault.create()
    request = v1.DeleteCardRequest(record_name=created.record_names[1])
    await vault.call("care", "PaymentService.DeleteCard", request)
    with pytest.raises(NotFound):
        await vault.get_card(created.record_names[1])
    assert await list_cards(vault, "billing") == []


async def test_a_batch_reads_cards_in_order(vault: OpenVault) -> None:
    """Each miss is reported in its place."""
    created = await vault.create(cards=[card(), card()])
    names = [created.record_names[2], "customers/42/cards/nothing", created.record_names[1]]
    answer = await vault.call("billing", "PaymentService.BatchGetCards", v1.BatchGetCardsRequest(record_names=names))
    assert [r.WhichOneof("result") for r in answer.results] == ["card", "error", "card"]
    assert [answer.results[0].card.record_name, answer.results[2].card.record_name] == [names[0], names[2]]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"card_number": "4111111111111112"}, "card.card_number"),
        ({"card_number": "411111111111"}, "card.card_number"),
        ({"card_number": ""}, "card.card_number"),
        ({"card_number": "9999999999999995"}, "card.card_number"),
        ({"expiry": "13/2040"}, "card.expiry"),
        ({"expiry": "01/2020"}, "card.expiry"),
        ({"expiry": "1/2040"}, "card.expiry"),
        ({"expiry": "01/2999"}, "card.expiry"),
        ({"brand": "mastercard"}, "card.brand"),
        ({"last_four": "2222"}, "card.last_four"),
        ({"holder_name": "4111 1111 1111 1111"}, "card.holder_name"),
    ],
)
async def test_bad_cards_are_refused_by_field(vault: OpenVault, change: dict[str, str], field: str) -> None:
    """The error names the field and never its value."""
    await vault.create(cards=[])
    request = v1.AddCardRequest(customer_id="42", card=card(**change))
    error = await vault.refusal("storefront", "PaymentService.AddCard", request)
    assert isinstance(error, InvalidArgument)
    assert error.field == field
    assert all(not value or value not in str(error) for value in change.values())
