"""What a read does when rows, keys or values are not as they should be."""

import asyncio
from typing import Any

import pytest

from tests.abuse.facts import restriction
from tests.vaults import OpenVault, card, contact
from vault.audit.entry import describe
from vault.crypto import fields, record_lock
from vault.crypto.envelope import Step
from vault.crypto.epoch import EpochId, epoch_id, new_epoch_secret, seal_stanza, step_key
from vault.crypto.hpke import Recipient
from vault.domain.names import RecordName
from vault.errors import DataLoss, InvalidArgument, NotFound, VaultError
from vault.service.opening import Opened
from vault.storage.port import Item, Put, Result, Row, Work, WrappedKey
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import key_service_pb2 as keys
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import records_pb2 as records
from vault.v1 import status_pb2 as status


async def alter(vault: OpenVault, sql: str, *values: object) -> None:
    """Change the data file behind the vault's back."""
    store: Any = vault.parts.store
    assert await store._writer.run(lambda stores: stores.data.execute(sql, values).rowcount)


async def last(vault: OpenVault) -> dict[str, object]:
    """The newest entry."""
    return describe((await vault.entries())[-1])


@pytest.mark.parametrize(
    "column", ["version = -1", "written_at = -1", "expires_at = -1", "version = 2", "expires_at = 1", "stored = x'01'"]
)
async def test_an_altered_row_is_loss_and_the_rest_keeps_working(vault: OpenVault, column: str) -> None:
    """DATA_LOSS for that record, an entry, and the others of a batch are served."""
    await vault.create("a")
    await vault.create("b")
    await alter(vault, f"UPDATE records SET {column} WHERE record_name = 'customers/a/contact'")  # noqa: S608 - ours
    with pytest.raises(DataLoss):
        await vault.get_contact(customer_id="a")
    assert (await last(vault))["reason"] == "DATA_LOSS"
    request = contacts.BatchGetContactsRequest(customer_ids=["a", "b"], purpose="service_provisioning")
    answer = await vault.call("provisioning", "ContactService.BatchGetContacts", request)
    assert answer.results[0].error.reason == status.REASON_DATA_LOSS
    assert answer.results[1].contact.name == "Ann Example"


@pytest.mark.parametrize(
    ("role", "method", "request_"),
    [
        ("officer", "CustomerService.GetCustomer", customers.GetCustomerRequest(customer_id="42")),
        ("storefront", "PaymentService.AddCard", payments.AddCardRequest(customer_id="42", card=card())),
        ("care", "ContactService.PutContact", contacts.PutContactRequest(customer_id="42", contact=contact())),
        ("care", "ContactService.DeleteContact", contacts.DeleteContactRequest(customer_id="42")),
    ],
)
async def test_every_loss_is_in_the_log(vault: OpenVault, role: str, method: str, request_: Any) -> None:
    """Also where it is met on the way of a write."""
    await vault.create()
    await alter(vault, "UPDATE records SET version = 7 WHERE record_name = 'customers/42'")
    assert isinstance(await vault.refusal(role, method, request_), DataLoss)
    entry = await last(vault)
    assert (entry["action"], entry["outcome"], entry["reason"]) == (method, "FAILED", "DATA_LOSS")


async def test_a_damaged_card_does_not_hide_the_others(vault: OpenVault) -> None:
    """The listing names it and its loss beside the cards that are well."""
    created = await vault.create(cards=[card(), card()])
    broken = created.record_names[1]
    await alter(vault, "UPDATE records SET version = 7 WHERE record_name = ?", broken)
    answer = await vault.call("billing", "PaymentService.ListCards", payments.ListCardsRequest(customer_id="42"))
    assert [c.record_name for c in answer.cards] == [created.record_names[2]]
    assert [(u.record_name, u.error.reason) for u in answer.unreadable] == [(broken, status.REASON_DATA_LOSS)]


async def test_a_record_that_is_lost_half_way_leaves_nothing_in_a_batch(vault: OpenVault) -> None:
    """It is built where it would leave: its first envelope opens, its second does not."""
    for customer in ("41", "42", "43"):
        await vault.create(customer)
    await spoil_last_box(vault, "customers/42")
    request = contacts.BatchGetContactsRequest(customer_ids=["41", "42", "43"], purpose="service_provisioning")
    answer = await vault.call("provisioning", "ContactService.BatchGetContacts", request)
    assert [bool(each.contact.name) for each in answer.results] == [True, False, True]
    assert answer.results[1].error.reason == status.REASON_DATA_LOSS
    assert not answer.results[1].HasField("contact")
    assert (await last(vault))["records"][1]["outcome"] == "FAILED"  # type: ignore[index]


async def spoil_last_box(vault: OpenVault, customer: str) -> None:
    """Put a contact back under a new lock, with one bit of its last box flipped: what its sealer may have done."""
    name = RecordName(f"{customer}/contact")
    opened = (await vault.parts.records.open([name], 0))[name]
    assert isinstance(opened, Opened)
    assert len(opened.record.envelopes) > 1
    box = opened.record.envelopes[-1].boxes[-1]
    box.ciphertext = box.ciphertext[:-1] + bytes([box.ciphertext[-1] ^ 1])
    row, current = opened.row, vault.parts.keyring.vault_keys.current
    body = opened.record.SerializeToString()
    locked = record_lock.lock(current.wrapping, name, row.version + 1, 1, 0, body)
    key_id = locked.header.key_id
    put = Put(
        Row(row.owner, name, key_id, row.version + 1, 1, 0, locked.stored),
        WrappedKey(row.owner, name, key_id, current.n, 1, locked.wrapped),
        replaces=row.key_id,
    )
    entry = (await vault.entries())[0]
    work = Work("log-0", lambda _: (entry, None), (Item(row.owner, (put,)),))
    assert (await vault.parts.store.commit(work)).results == (Result.DONE,)


async def test_a_restricted_customer_reads_like_an_unknown_one(vault: OpenVault) -> None:
    """For reads, listings and searches; no page token leads to a name."""
    await vault.create()
    await restriction(vault, "42")
    answers = []
    for customer in ("42", "nobody"):
        error = await vault.refusal(
            "care",
            "ContactService.GetContact",
            contacts.GetContactRequest(customer_id=customer, purpose="account_service"),
        )
        listing = await vault.refusal(
            "billing", "PaymentService.ListCards", payments.ListCardsRequest(customer_id=customer)
        )
        answers.append([(type(e), str(e), e.reason) for e in (error, listing)])
    assert answers[0] == answers[1]
    for phone in ("+49228123456", "+49228999999"):
        request = contacts.FindContactsRequest(phone=phone, purpose="account_service", page_size=1)
        found = await vault.call("care", "ContactService.FindContacts", request)
        assert found == contacts.FindContactsResponse()


async def test_a_page_token_of_a_search_cannot_be_read_or_moved(vault: OpenVault) -> None:
    """It is sealed, and for one kind of search."""
    await vault.create("first-customer")
    await vault.create("second-customer")
    request = contacts.FindContactsRequest(phone="+49228123456", purpose="account_service", page_size=1)
    token = (await vault.call("care", "ContactService.FindContacts", request)).next_page_token
    assert token
    other = contacts.FindContactsRequest(email="ann@example.org", purpose="account_service", page_token=token)
    for bad in (
        other,
        contacts.FindContactsRequest(phone="+49228123456", purpose="account_service", page_token="AAAA"),
    ):
        assert isinstance(await vault.refusal("care", "ContactService.FindContacts", bad), InvalidArgument)


async def test_the_vault_checks_what_a_caller_sealed_and_it_opens(vault: OpenVault) -> None:
    """A card number sealed into a name is not handed on."""
    await vault.create(contact=records.Contact(city="Bonn"), cards=[])
    ask = keys.GetRecipientsRequest(fields=["contact.name"])
    known = await vault.call("storefront", "KeyService.GetRecipients", ask)
    audience = known.audiences[0].audience
    secret = new_epoch_secret()
    publish = keys.PublishEpochRequest(epoch_id=epoch_id(secret, known.vault_id, audience), audience=audience)
    for each in known.recipients:
        sealed = seal_stanza(secret, known.vault_id, audience, each.purpose, Recipient(each.public_key))
        publish.stanzas.add(purpose=each.purpose, fingerprint=each.fingerprint, sealed=sealed)
    await vault.call("storefront", "KeyService.PublishEpoch", publish)
    step = Step(audience, EpochId(publish.epoch_id), 0, step_key(secret, 0))
    for name, fine in (("Ann Sealed", True), ("4111 1111 1111 1111", False)):
        values = fields.plaintexts(records.Contact(name=name))
        audiences = {"contact.name": audience}
        sealed_name = fields.seal(known.vault_id, "customers/42/contact", values, audiences, lambda _: step)
        put = contacts.PutContactRequest(customer_id="42", contact=records.Contact(sealed=sealed_name))
        await vault.call("storefront", "ContactService.PutContact", put)
        if fine:
            assert (await vault.get_contact()).name == name
        else:
            with pytest.raises(DataLoss) as refused:
                await vault.get_contact()
            assert "4111" not in str(refused.value)


async def test_a_million_boxes_are_counted_and_not_looked_at(vault: OpenVault) -> None:
    """So are a mask's paths: no request of ordinary size may hold the loop."""
    loop = asyncio.get_running_loop()
    boxes = records.Contact()
    boxes.sealed.add().boxes.extend([keys_box() for _ in range(100_000)])
    mask = contacts.GetContactRequest(customer_id="42", purpose="account_service")
    mask.read_mask.paths.extend(["name"] * 100_000)
    started = loop.time()
    for role, method, request in (
        ("storefront", "ContactService.PutContact", contacts.PutContactRequest(customer_id="42", contact=boxes)),
        ("care", "ContactService.GetContact", mask),
    ):
        assert isinstance(await vault.refusal(role, method, request), InvalidArgument)
    assert loop.time() - started < 5  # it took tens of seconds; milliseconds now


def keys_box() -> Any:
    """An empty box."""
    from vault.v1.envelope_pb2 import Box  # noqa: PLC0415 - only here

    return Box()


async def test_a_read_during_an_erasure_finds_nothing_or_all(vault: OpenVault) -> None:
    """Never a false alarm: keys go first, rows a moment later."""
    await vault.create()
    stop = False
    answers: list[VaultError | records.Contact] = []

    async def read() -> None:
        while not stop:
            try:
                answers.append(await vault.get_contact())
            except VaultError as error:
                answers.append(error)

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.02)
    await vault.call("officer", "CustomerService.EraseCustomer", customers.EraseCustomerRequest(customer_id="42"))
    await asyncio.sleep(0.02)
    stop = True
    await reader
    assert {type(a) for a in answers} == {records.Contact, NotFound}


async def test_a_key_that_a_broken_deletion_left_is_destroyed_by_its_repeat(vault: OpenVault) -> None:
    """The row is out, the process died before the key was: who repeats the deletion gets its promise kept."""
    await vault.create()
    name = "customers/42/contact"
    row = (await vault.parts.store.fetch([name]))[name]  # type: ignore[list-item, index]
    await alter(vault, "DELETE FROM records WHERE record_name = ?", name)
    assert await vault.parts.store.fetch_keys([row])
    request = contacts.DeleteContactRequest(customer_id="42")
    assert isinstance(await vault.refusal("care", "ContactService.DeleteContact", request), NotFound)
    assert not await vault.parts.store.fetch_keys([row])
