"""Accounts: what they are, and what they were."""

import asyncio
from typing import Any

import pytest

from tests.abuse.facts import restriction
from tests.vaults import OpenVault, new_request_id
from vault.audit.entry import parse
from vault.errors import Conflict, DataLoss, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from vault.service.kinds import ACCOUNT
from vault.v1 import account_service_pb2 as v1
from vault.v1 import records_pb2 as records
from vault.v1 import status_pb2 as status

PUT, GET = "AccountService.PutAccount", "AccountService.GetAccount"


def account(status: str = "", *services: str, **more: Any) -> records.Account:
    """An account as a caller writes it."""
    listed = records.ServiceList(services=services) if services else None
    return records.Account(status=status, services=listed, **more)


async def put(vault: OpenVault, given: records.Account, *mask: str, **asked: Any) -> records.Account:
    """Write it as care."""
    request = v1.PutAccountRequest(customer_id="42", account=given, **asked)
    request.update_mask.paths.extend(mask)
    answer: v1.PutAccountResponse = await vault.call("care", PUT, request)
    return answer.account


async def get(vault: OpenVault, *mask: str, role: str = "care", **asked: Any) -> records.Account:
    """Read it, for the purpose of its role."""
    purpose = asked.pop("purpose", "account_service")
    request = v1.GetAccountRequest(customer_id="42", purpose=purpose, **asked)
    request.read_mask.paths.extend(mask)
    answer: v1.GetAccountResponse = await vault.call(role, GET, request)
    return answer.account


def states(read: records.Account) -> list[tuple[str, list[str]]]:
    """What it was, oldest first."""
    return [(state.status, list(state.services)) for state in read.history.states]


async def test_an_account_is_written_and_read(vault: OpenVault) -> None:
    """By care and by provisioning, each for its purpose; the answer to a write holds no value."""
    await vault.create()
    written = await put(vault, account("active", "fibre 100", "television"))
    assert (written.status, written.HasField("services"), written.record_name) == ("", False, "customers/42/account")
    for role, purpose in (("care", "account_service"), ("provisioning", "service_provisioning")):
        read = await get(vault, role=role, purpose=purpose)
        assert (read.status, list(read.services.services)) == ("active", ["fibre 100", "television"])
        assert (read.etag, read.create_time) == (written.etag, written.create_time)
        assert states(read) == []


async def test_a_change_keeps_what_was(vault: OpenVault) -> None:
    """With the time from which to which; a write that changes nothing adds nothing."""
    await vault.create()
    await put(vault, account("ordered"))
    vault.now_shift = 1000
    await put(vault, account("active", "fibre"))
    await put(vault, account("active", "fibre"))
    vault.now_shift = 2000
    await put(vault, account("suspended"), "status")
    read = await get(vault)
    assert (read.status, list(read.services.services)) == ("suspended", ["fibre"])
    assert states(read) == [("ordered", []), ("active", ["fibre"])]
    first, second = read.history.states
    assert read.create_time == first.start_time
    assert first.end_time == second.start_time
    assert second.end_time.ToMilliseconds() - second.start_time.ToMilliseconds() >= 900


async def test_a_field_is_removed_by_naming_it(vault: OpenVault) -> None:
    """An empty one has no box; its value stands in the history alone."""
    await vault.create()
    await put(vault, account("active", "fibre"))
    await put(vault, account(), "services")
    read = await get(vault)
    assert (read.status, read.HasField("services")) == ("active", False)
    assert states(read) == [("active", ["fibre"])]


async def test_a_mask_reads_one_field(vault: OpenVault) -> None:
    """The log says which; the log of the customer is no field of an account."""
    await vault.create()
    await put(vault, account("active", "fibre"))
    read = await get(vault, "status")
    assert (read.status, read.HasField("services"), read.HasField("history")) == ("active", False, False)
    assert list(parse((await vault.entries())[-1]).fields) == ["account.status"]
    request = v1.GetAccountRequest(customer_id="42", purpose="account_service")
    request.read_mask.paths.append("log_entries")
    assert isinstance(await vault.refusal("care", GET, request), InvalidArgument)


async def test_the_history_is_bounded(vault: OpenVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many changes the newest are kept."""
    monkeypatch.setattr("vault.domain.account.MOST_STATES", 3)
    await vault.create()
    for at in range(6):
        await put(vault, account(f"state {at}"))
    assert states(await get(vault)) == [("state 2", []), ("state 3", []), ("state 4", [])]


async def test_a_stale_etag_is_refused(vault: OpenVault) -> None:
    """Of an account that changed, and of one that is not there."""
    await vault.create()
    request = v1.PutAccountRequest(customer_id="42", account=account("active"), etag="00" * 16)
    assert isinstance(await vault.refusal("care", PUT, request), Conflict)
    etag = (await put(vault, account("ordered"))).etag
    await put(vault, account("active"), etag=etag)
    request.etag = etag
    assert isinstance(await vault.refusal("care", PUT, request), Conflict)
    assert (await get(vault)).status == "active"


async def test_writers_at_the_same_time_lose_no_change(vault: OpenVault) -> None:
    """Each state is the account or stands in its history."""
    await vault.create()
    await asyncio.gather(*(put(vault, account(f"state {at}"), "status") for at in range(4)))
    read = await get(vault)
    assert {read.status, *(each for each, _ in states(read))} == {f"state {at}" for at in range(4)}


async def test_a_request_id_has_one_effect(vault: OpenVault) -> None:
    """Repeated it gives the first answer, also when the account changed since."""
    await vault.create()
    request_id = new_request_id()
    first = await put(vault, account("active"), request_id=request_id)
    await put(vault, account("closed"))
    assert await put(vault, account("active"), request_id=request_id) == first
    read = await get(vault)
    assert (read.status, states(read)) == ("closed", [("active", [])])


async def test_an_unknown_customer_has_no_account(vault: OpenVault) -> None:
    """Nor can it get one."""
    request = v1.PutAccountRequest(customer_id="42", account=account("active"))
    assert isinstance(await vault.refusal("care", PUT, request), NotFound)
    asked = v1.GetAccountRequest(customer_id="42", purpose="account_service")
    assert isinstance(await vault.refusal("care", GET, asked), NotFound)


@pytest.mark.parametrize("role", ["storefront", "billing", "partners", "sales", "officer", "operator"])
async def test_no_other_role_writes_or_reads_it(vault: OpenVault, role: str) -> None:
    """The policy's table of methods."""
    request = v1.PutAccountRequest(customer_id="42", account=account("active"))
    assert isinstance(await vault.refusal(role, PUT, request), PermissionDenied)
    assert isinstance(await vault.refusal(role, GET, v1.GetAccountRequest(customer_id="42")), PermissionDenied)


HISTORY = records.AccountHistory(states=[records.AccountState(status="forged")])
BAD: dict[str, tuple[records.Account, tuple[str, ...], str]] = {
    "a card number as status": (account("4111 1111 1111 1111"), (), "account.status"),
    "a card number as service": (account("active", "4111111111111111"), (), "account.services.services[0]"),
    "control characters": (account("act\x07ive"), (), "account.status"),
    "a blank status": (account("  "), (), "account.status"),
    "a blank service": (account("active", ""), (), "account.services.services[0]"),
    "a service twice": (account("active", "fibre", "fibre"), (), "account.services.services"),
    "too long a status": (account("x" * 65), (), "account.status"),
    "too many services": (account("a", *(f"s{at}" for at in range(65))), (), "account.services.services"),
    "a history of its own": (account("active", history=HISTORY), (), "account.history"),
    "an envelope": (account("active", sealed=[{}]), (), "account.sealed"),
    "another record's name": (account("a", record_name="customers/43/account"), (), "account.record_name"),
    "a field that the mask leaves out": (account("active", "fibre"), ("status",), "account.services"),
    "the history in the mask": (account("active"), ("history",), "update_mask"),
}


@pytest.mark.parametrize("what", BAD)
async def test_bad_input_is_refused_and_nothing_is_stored(vault: OpenVault, what: str) -> None:
    """By the name of the field, and the value is not echoed."""
    given, mask, field = BAD[what]
    await vault.create()
    request = v1.PutAccountRequest(customer_id="42", account=given)
    request.update_mask.paths.extend(mask)
    error = await vault.refusal("care", PUT, request)
    assert isinstance(error, InvalidArgument)
    assert error.field == field
    assert "4111" not in str(error)
    assert not await vault.parts.store.fetch([f"customers/42/{ACCOUNT.category}"])  # type: ignore[list-item]


async def test_an_account_that_does_not_open_cannot_be_changed(vault: OpenVault) -> None:
    """What was would be lost; nothing is written over it."""
    await vault.create()
    await put(vault, account("active"))
    store: Any = vault.parts.store
    sql = "UPDATE records SET stored = zeroblob(200) WHERE record_name = 'customers/42/account'"
    await store._writer.run(lambda stores: stores.data.execute(sql).rowcount)
    request = v1.PutAccountRequest(customer_id="42", account=account("closed"))
    assert isinstance(await vault.refusal("care", PUT, request), DataLoss)


async def test_a_field_that_the_policy_gives_to_callers_alone_cannot_be_added_to(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vault has no key of it, and says so instead of writing over it."""
    await vault.create()
    await put(vault, account("active"))
    monkeypatch.setattr("vault.service.own_fields._opens", lambda *_: False)
    request = v1.PutAccountRequest(customer_id="42", account=account("closed"))
    assert isinstance(await vault.refusal("care", PUT, request), FailedPrecondition)
    assert (await get(vault)).status == "active"


async def test_nothing_of_an_account_is_stored_in_plain(vault: OpenVault) -> None:
    """Neither the state now nor the one before, in no column and no entry."""
    await vault.create()
    await put(vault, account("verystatus", "veryservice"))
    await put(vault, account("otherstatus"))
    for path in (vault.home / "data").iterdir():
        held = path.read_bytes()
        assert not [text for text in (b"verystatus", b"veryservice", b"otherstatus") if text in held]


async def test_a_restricted_customers_account_is_not_replaced(vault: OpenVault) -> None:
    """What is stored stays as it is, and the customer is as unknown as to who reads; the first account is storage."""
    await vault.create()
    await restriction(vault, "42")
    await put(vault, account("active"))
    request = v1.PutAccountRequest(customer_id="42", account=account("closed"))
    assert isinstance(await vault.refusal("care", PUT, request), NotFound)
    await restriction(vault, "42", restricted=False)
    read = await get(vault)
    assert (read.status, states(read)) == ("active", [])


async def test_an_account_that_an_order_covers_is_not_replaced(
    vault: OpenVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history is bounded, so a change could push out what the order is about."""
    await vault.create()
    await put(vault, account("active"))

    async def held(*_: object) -> None:
        raise FailedPrecondition(status.REASON_ON_HOLD, "held")

    monkeypatch.setattr(type(vault.parts.holds), "check", held)
    request = v1.PutAccountRequest(customer_id="42", account=account("closed"))
    assert (await vault.refusal("care", PUT, request)).reason == status.REASON_ON_HOLD
    assert (await get(vault)).status == "active"
