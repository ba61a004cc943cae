"""Creating, showing and erasing customers."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from tests.abuse.digests import against_log
from tests.vaults import CARD_NUMBER, OpenVault, card, contact, make_home, new_request_id, opened
from vault.audit.entry import describe
from vault.domain.names import RecordName
from vault.errors import AlreadyExists, DataLoss, InvalidArgument, NotFound
from vault.service.clock import Clock
from vault.service.opening import Opening
from vault.storage.port import REQUEST_LIFETIME_MS
from vault.v1 import customer_service_pb2 as v1
from vault.v1 import status_pb2 as status

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class ClockThatSays:
    """A clock that is trusted and stands still."""

    def __init__(self, now: int) -> None:
        self._now = now

    async def trusted(self) -> int:
        """The time."""
        return self._now


async def test_a_customer_is_created_with_contact_and_card(vault: OpenVault) -> None:
    """One call, three records, and each reader gets its own."""
    created = await vault.create()
    assert created.record_names[0] == "customers/42/contact"
    assert (await vault.get_contact()).phone == "+49228123456"
    sealed = await vault.get_card(created.record_names[1])
    assert not sealed.card_number
    assert [box.field for box in sealed.sealed[0].boxes] == [2, 3, 4, 5, 6]


async def test_an_id_is_made_when_none_is_given(vault: OpenVault) -> None:
    """Sixteen random bytes in hex."""
    created = await vault.create("")
    assert len(bytes.fromhex(created.customer.customer_id)) == 16


async def test_a_name_that_is_taken_is_refused(vault: OpenVault) -> None:
    """And nothing of the second customer is stored."""
    await vault.create()
    with pytest.raises(AlreadyExists):
        await vault.create(contact=contact(name="Somebody Else"))
    assert (await vault.get_contact()).name == "Ann Example"


async def test_a_request_id_has_one_effect(vault: OpenVault) -> None:
    """Fifty at once create one customer, and all get the same answer."""
    request_id = new_request_id()
    answers = await asyncio.gather(*(vault.create("", request_id=request_id) for _ in range(50)))
    assert {a.SerializeToString() for a in answers} == {answers[0].SerializeToString()}
    rows = [e for e in await vault.entries() if "written" in str(describe(e))]
    assert len(rows) == 1


async def test_a_request_id_is_not_used_for_another_request(vault: OpenVault) -> None:
    """The same id with other content is refused, also for another method."""
    request_id = new_request_id()
    await vault.create("1", request_id=request_id)
    with pytest.raises(InvalidArgument, match="request_id") as refused:
        await vault.create("2", request_id=request_id)
    assert refused.value.reason == status.REASON_REQUEST_ID_REUSED


async def test_a_refused_request_may_be_repaired_under_its_id(vault: OpenVault) -> None:
    """Only what had an effect is remembered."""
    request_id = new_request_id()
    await vault.create("1")
    with pytest.raises(AlreadyExists):
        await vault.create("1", request_id=request_id)
    assert (await vault.create("2", request_id=request_id)).customer.customer_id == "2"


async def test_a_request_id_has_one_effect_whatever_the_clock_says(vault: OpenVault) -> None:
    """It is the upkeep that forgets it, and not a call that comes with a later time."""
    await vault.vault._upkeep.close()  # its rounds are those of this test
    request_id = new_request_id()
    vault.now_shift = -25 * 3600 * 1000
    first = await vault.create("", request_id=request_id)
    for shift in (0, 400 * 24 * 3600 * 1000, -400 * 24 * 3600 * 1000):
        vault.now_shift = shift
        again = await vault.create("", request_id=request_id)
        assert again.customer.customer_id == first.customer.customer_id
    vault.now_shift = 0
    await vault.vault._upkeep.round()
    later = await vault.create("", request_id=request_id)
    assert later.customer.customer_id != first.customer.customer_id


@pytest.mark.parametrize("hour", range(24))
async def test_a_request_id_has_one_effect_at_every_hour_of_the_day(vault: OpenVault, hour: int) -> None:
    """A day ago is yesterday or the day before: the key of that day is there for as long as the request is."""
    await vault.vault._upkeep.close()
    real = time.time_ns() // 1_000_000
    now = (real // DAY_MS + 1) * DAY_MS + hour * HOUR_MS + HOUR_MS // 2
    upkeep = vault.vault._upkeep
    upkeep._clock = cast("Clock", ClockThatSays(now))
    vault.now_shift = now - 25 * HOUR_MS - real
    request_id = new_request_id()
    # A round is under way: it has forgotten requests already, and not destroyed keys.
    await vault.parts.store.forget_requests(now - REQUEST_LIFETIME_MS)
    first = await vault.create("", request_id=request_id)
    await vault.parts.keyring.requests.destroy_old(now)
    vault.now_shift = now - real
    again = await vault.create("", request_id=request_id)
    assert again.customer.customer_id == first.customer.customer_id
    await upkeep.round()
    later = await vault.create("", request_id=request_id)
    assert later.customer.customer_id != first.customer.customer_id


async def test_a_batch_keeps_order_and_reports_each_miss(vault: OpenVault) -> None:
    """What is wrong with one item does not touch the others."""
    await vault.create("taken")
    request = v1.BatchCreateCustomersRequest(
        requests=[
            v1.CreateCustomerRequest(customer_id="a", contact=contact()),
            v1.CreateCustomerRequest(customer_id="taken", contact=contact()),
            v1.CreateCustomerRequest(customer_id="b", cards=[card(card_number="4111111111111112")]),
            v1.CreateCustomerRequest(customer_id="c", cards=[card(), card()]),
        ]
    )
    answer = await vault.call("storefront", "CustomerService.BatchCreateCustomers", request)
    kinds = [r.WhichOneof("result") for r in answer.results]
    assert kinds == ["created", "error", "error", "created"]
    assert answer.results[1].error.reason == status.REASON_ALREADY_EXISTS
    assert answer.results[2].error.field == "requests[2].cards[0].card_number"
    assert len(answer.results[3].created.record_names) == 2


async def test_a_batch_with_one_name_twice_makes_it_once(vault: OpenVault) -> None:
    """The second of two equal names in a batch is refused like any other that is taken."""
    item = v1.CreateCustomerRequest(customer_id="twin")
    request = v1.BatchCreateCustomersRequest(requests=[item, item])
    answer = await vault.call("storefront", "CustomerService.BatchCreateCustomers", request)
    assert [r.WhichOneof("result") for r in answer.results] == ["created", "error"]


async def test_the_officer_sees_names_and_times(vault: OpenVault) -> None:
    """GetCustomer shows what there is, and no protected field."""
    created = await vault.create()
    answer = await vault.call("officer", "CustomerService.GetCustomer", v1.GetCustomerRequest(customer_id="42"))
    assert set(answer.record_names) == set(created.record_names)
    assert answer.customer == created.customer


async def test_an_erased_customer_is_gone_for_everyone(vault: OpenVault) -> None:
    """Reads find nothing, the id is never used again, a repeat finds nothing left."""
    created = await vault.create()
    await vault.create("other")
    request = v1.EraseCustomerRequest(customer_id="42")
    receipt = (await vault.call("officer", "CustomerService.EraseCustomer", request)).receipt
    assert (receipt.keys_destroyed, receipt.records_removed) == (3, 3)
    for reading in (vault.get_contact(), vault.get_card(created.record_names[1])):
        with pytest.raises(NotFound):
            await reading
    with pytest.raises(AlreadyExists) as refused:
        await vault.create()
    assert refused.value.reason == status.REASON_ERASED
    again = (await vault.call("officer", "CustomerService.EraseCustomer", request)).receipt
    assert (again.keys_destroyed, again.records_removed) == (0, 0)
    assert (await vault.get_contact(customer_id="other")).name == "Ann Example"


async def test_an_erased_customer_whose_record_does_not_open_is_named_by_digests(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pseudonym stands in that record; who compares rows and log must still see which rows went, and why."""
    await vault.create()

    async def damaged(names: Sequence[RecordName], _now: int) -> Mapping[RecordName, Opening]:
        return {name: DataLoss("does not open") for name in names}

    monkeypatch.setattr(vault.parts.records, "open", damaged)
    request = v1.EraseCustomerRequest(customer_id="42")
    receipt = (await vault.call("officer", "CustomerService.EraseCustomer", request)).receipt
    assert receipt.records_removed == 3
    assert against_log(vault.home) == []


async def test_erasing_whom_nobody_knows_is_not_found(vault: OpenVault) -> None:
    """No tombstone is made for an id that never was."""
    request = v1.EraseCustomerRequest(customer_id="nobody")
    assert isinstance(await vault.refusal("officer", "CustomerService.EraseCustomer", request), NotFound)
    await vault.create("nobody")


async def test_the_log_names_nobody(vault: OpenVault) -> None:
    """Entries hold a pseudonym, never the customer id, nor any value."""
    await vault.create("Customer-4711")
    await vault.get_contact(customer_id="Customer-4711")
    log = b"".join(await vault.entries())
    for text in (b"4711", b"Ann", b"Bonn", b"example.org", CARD_NUMBER.encode()):
        assert text not in log


async def test_the_vault_opens_again_and_reads_what_was_written(tmp_path: os.PathLike[str]) -> None:
    """After a restart every record opens under the same keys."""
    home = await make_home(tmp_path / "home")  # type: ignore[operator]
    async with opened(home) as vault:
        await vault.create()
    async with opened(home) as vault:
        assert (await vault.get_contact()).name == "Ann Example"
        actions = [describe(e)["action"] for e in await vault.entries()]
        assert actions.count("Vault.Start") == 2
