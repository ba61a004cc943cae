"""Recipients, epochs and key versions, for SDKs and operators."""

import pytest

from tests.vaults import OpenVault
from vault.crypto.epoch import epoch_id, new_epoch_secret, seal_stanza
from vault.crypto.hpke import PurposeKeyPair, Recipient, new_seed
from vault.errors import AlreadyExists, FailedPrecondition, InvalidArgument, PermissionDenied
from vault.v1 import key_service_pb2 as v1


async def recipients(vault: OpenVault, *fields: str) -> v1.GetRecipientsResponse:
    """What the storefront seals to."""
    request = v1.GetRecipientsRequest(fields=fields)
    answer: v1.GetRecipientsResponse = await vault.call("storefront", "KeyService.GetRecipients", request)
    return answer


async def new_epoch(vault: OpenVault, field: str = "payment.card_number") -> v1.PublishEpochRequest:
    """An epoch for a field's audience, with a stanza for each of its purposes."""
    known = await recipients(vault, field)
    audience = known.audiences[0].audience
    secret = new_epoch_secret()
    request = v1.PublishEpochRequest(epoch_id=epoch_id(secret, known.vault_id, audience), audience=audience)
    for each in known.recipients:
        sealed = seal_stanza(secret, known.vault_id, audience, each.purpose, Recipient(each.public_key))
        request.stanzas.add(purpose=each.purpose, fingerprint=each.fingerprint, sealed=sealed)
    return request


async def test_recipients_are_the_active_keys_of_an_audience(vault: OpenVault) -> None:
    """A card has one, a contact eight."""
    card = await recipients(vault, "payment.card_number")
    assert [r.purpose for r in card.recipients] == ["payment_processing"]
    contact = await recipients(vault, "contact.name")
    assert "+".join(r.purpose for r in contact.recipients) == contact.audiences[0].audience
    assert len((await recipients(vault)).audiences) == len(vault.parts.policy.fields)


async def test_an_unknown_field_is_named_by_its_place(vault: OpenVault) -> None:
    """Not by its text."""
    with pytest.raises(InvalidArgument, match=r"fields\[0\]") as refused:
        await recipients(vault, "secret.name")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("field", ["payment.card_number", "contact.name"])
async def test_an_epoch_is_published_once(vault: OpenVault, field: str) -> None:
    """The second time it is there already."""
    request = await new_epoch(vault, field)
    await vault.call("storefront", "KeyService.PublishEpoch", request)
    with pytest.raises(AlreadyExists):
        await vault.call("storefront", "KeyService.PublishEpoch", request)


async def test_a_stanza_that_the_vault_can_open_must_hold_the_epochs_secret(vault: OpenVault) -> None:
    """A sealer cannot give two purposes two secrets."""
    request = await new_epoch(vault, "contact.name")
    other = await new_epoch(vault, "contact.name")
    request.stanzas[-1].sealed = other.stanzas[-1].sealed
    with pytest.raises(InvalidArgument, match="stanzas"):
        await vault.call("storefront", "KeyService.PublishEpoch", request)


@pytest.mark.parametrize("spoil", ["one too few", "one twice", "another key", "another audience"])
async def test_an_epoch_needs_exactly_its_stanzas(vault: OpenVault, spoil: str) -> None:
    """One for each member of a current audience, to its active key."""
    request = await new_epoch(vault, "contact.name")
    if spoil == "one too few":
        del request.stanzas[0]
    elif spoil == "one twice":
        request.stanzas[0].CopyFrom(request.stanzas[1])
    elif spoil == "another key":
        request.stanzas[0].fingerprint = PurposeKeyPair(new_seed()).fingerprint
    else:
        request.audience = "billing"
    error = await vault.refusal("storefront", "KeyService.PublishEpoch", request)
    assert isinstance(error, InvalidArgument | FailedPrecondition)
    assert not await vault.parts.keyring.epochs.get(request.epoch_id)


async def test_epoch_keys_are_for_ones_own_purpose(vault: OpenVault) -> None:
    """Mail asks for billing's stanzas in vain; what is unknown is left out."""
    request = await new_epoch(vault)
    await vault.call("storefront", "KeyService.PublishEpoch", request)
    fingerprint = request.stanzas[0].fingerprint
    ask = v1.GetEpochKeysRequest(epoch_ids=[bytes(32), request.epoch_id], fingerprint=fingerprint)
    answer = await vault.call("billing", "KeyService.GetEpochKeys", ask)
    assert [key.epoch_id for key in answer.epoch_keys] == [request.epoch_id]
    assert answer.epoch_keys[0].stanza == request.stanzas[0].sealed
    ask.purpose = "payment_processing"
    assert isinstance(await vault.refusal("mail", "KeyService.GetEpochKeys", ask), PermissionDenied)


async def test_epochs_page_and_leave_out_what_has_a_stanza(vault: OpenVault) -> None:
    """The way of a rotation: all epochs of the purpose that the new key cannot open yet."""
    published = set()
    for _ in range(3):
        request = await new_epoch(vault)
        await vault.call("storefront", "KeyService.PublishEpoch", request)
        published.add(request.epoch_id)
    fingerprint = request.stanzas[0].fingerprint
    ask = v1.GetEpochKeysRequest(fingerprint=fingerprint, missing_fingerprint=bytes(32), page_size=2)
    found = []
    while True:
        answer = await vault.call("billing", "KeyService.GetEpochKeys", ask)
        found += [key.epoch_id for key in answer.epoch_keys]
        if not answer.next_page_token:
            break
        ask.page_token = answer.next_page_token
    assert set(found) == published
    ask = v1.GetEpochKeysRequest(fingerprint=fingerprint, missing_fingerprint=fingerprint)
    assert not (await vault.call("billing", "KeyService.GetEpochKeys", ask)).epoch_keys


async def test_a_key_that_the_policy_does_not_name_is_not_registered(vault: OpenVault) -> None:
    """Nor one for a purpose of somebody else."""
    request = v1.RegisterPurposeKeyRequest(
        purpose="payment_processing", public_key=PurposeKeyPair(new_seed()).public_key
    )
    assert isinstance(await vault.refusal("billing", "KeyService.RegisterPurposeKey", request), FailedPrecondition)
    assert isinstance(await vault.refusal("mail", "KeyService.RegisterPurposeKey", request), PermissionDenied)


async def test_reseals_only_add(vault: OpenVault) -> None:
    """A stanza that is there stays; one for an unknown key or epoch is refused."""
    request = await new_epoch(vault)
    await vault.call("storefront", "KeyService.PublishEpoch", request)
    stanza = v1.Stanza(purpose="payment_processing", fingerprint=request.stanzas[0].fingerprint, sealed=bytes(1168))
    reseal = v1.ResealEpochsRequest(stanzas=[v1.EpochStanza(epoch_id=request.epoch_id, stanza=stanza)])
    answer = await vault.call("billing", "KeyService.ResealEpochs", reseal)
    assert (answer.added, answer.unchanged) == (0, 1)
    kept = await vault.parts.keyring.epochs.stanza(request.epoch_id, stanza.fingerprint)
    assert kept == request.stanzas[0].sealed
    for change in ({"fingerprint": bytes(32)}, {"purpose": "mail_delivery"}):
        bad = v1.ResealEpochsRequest()
        bad.CopyFrom(reseal)
        for name, value in change.items():
            setattr(bad.stanzas[0].stanza, name, value)
        error = await vault.refusal("billing", "KeyService.ResealEpochs", bad)
        assert isinstance(error, InvalidArgument | PermissionDenied)
    reseal.stanzas[0].epoch_id = bytes(32)
    assert isinstance(await vault.refusal("billing", "KeyService.ResealEpochs", reseal), InvalidArgument)


async def test_the_operator_sees_versions_and_never_a_key(vault: OpenVault) -> None:
    """Purposes, vault key, log key, number of epochs."""
    await vault.create()
    answer = await vault.call("operator", "KeyService.ListKeys", v1.ListKeysRequest())
    custodies = {key.purpose: key.custody for key in answer.purpose_keys}
    assert custodies["payment_processing"] == v1.CUSTODY_CALLER
    assert custodies["service_provisioning"] == v1.CUSTODY_VAULT
    assert [(k.version, k.state) for k in answer.vault_keys] == [(1, v1.KEY_STATE_ACTIVE)]
    assert answer.log_keys[0].origin == "vault.example/log/log-0"
    assert answer.epochs == 3
    assert vault.parts.keyring.lookup_key.reveal() not in answer.SerializeToString()
