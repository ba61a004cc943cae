"""Accounts, logs and preferences through the SDK, on a vault as `init` and `serve` make it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.running import RunningVault, new_id
from vault.client import CareClient, LoggedLine, NewCustomer, ProvisioningClient, StorefrontClient, sync
from vault.errors import Conflict, InvalidArgument, NotFound, PermissionDenied


async def a_customer(vault: RunningVault) -> str:
    """Who has nothing yet."""
    customer = new_id()
    async with StorefrontClient.open(vault.caller("storefront")) as storefront:
        await storefront.create_customer(NewCustomer(customer))
    return customer


async def test_an_account_and_what_it_was(running_vault: RunningVault) -> None:
    """Care changes one field, provisioning reads all; no value is in a repr."""
    customer = await a_customer(running_vault)
    async with (
        CareClient.open(running_vault.caller("care")) as care,
        ProvisioningClient.open(running_vault.caller("provisioning")) as provisioning,
    ):
        first = await provisioning.put_account(customer, status="ordered", services=["fibre 100"])
        second = await care.put_account(customer, status="active", etag=first.etag)
        with pytest.raises(Conflict):
            await care.put_account(customer, status="closed", etag=first.etag)
        account = await provisioning.get_account(customer)
        assert (account.status, account.services, account.etag) == ("active", ("fibre 100",), second.etag)
        [before] = account.history
        assert (before.status, before.services) == ("ordered", ("fibre 100",))
        assert before.start_time <= before.end_time
        assert "active" not in repr(account)
        await care.put_account(customer, services=[])
        read = await care.get_account(customer, fields=["services"])
        assert (read.status, read.services, read.history) == ("", (), ())
        with pytest.raises(InvalidArgument, match="fields"):
            await care.put_account(customer)
        with pytest.raises(PermissionDenied):
            await care.get_account(customer, purpose="service_provisioning")
        with pytest.raises(NotFound):
            await care.get_account(new_id())


async def test_a_log_is_added_to_and_listed(running_vault: RunningVault) -> None:
    """More than a page of it, in order; a time without a zone is refused before it is sent."""
    customer = await a_customer(running_vault)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    lines = [LoggedLine(start + timedelta(seconds=at), f"line {at}") for at in range(90)]
    async with CareClient.open(running_vault.caller("care")) as care:
        await care.append_log_entries(customer, lines)
        await care.append_log_entries(customer, ["of now"])
        assert [line async for line in care.list_log_entries(customer, end=start + timedelta(minutes=30))] == lines
        late = [line.text async for line in care.list_log_entries(customer, start=start + timedelta(seconds=89))]
        assert late == ["line 89", "of now"]
        assert "of now" not in repr(LoggedLine(start, "of now"))
        with pytest.raises(InvalidArgument, match="time zone"):
            await anext(care.list_log_entries(customer, start=datetime(2026, 11, 1)))  # noqa: DTZ001 - the point
        with pytest.raises(InvalidArgument, match="time zone"):
            await care.append_log_entries(customer, [LoggedLine(datetime(2026, 11, 1), "x")])  # noqa: DTZ001


async def test_a_visitors_preferences(running_vault: RunningVault) -> None:
    """Saved under a new cookie and read by it; what says who it is never leaves the process."""
    async with StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        saved = await storefront.save_preferences({"theme": "dark"})
        assert await storefront.get_preferences(saved.visitor_id) == {"theme": "dark"}
        assert saved.expire_time > datetime.now(UTC) + timedelta(days=365)
        assert saved.visitor_id not in repr(saved)
        again = await storefront.save_preferences({"theme": "light"}, visitor_id=saved.visitor_id)
        assert again.visitor_id == saved.visitor_id
        assert await storefront.get_preferences(saved.visitor_id) == {"theme": "light"}
        for preferences, visitor in (({"email": "x"}, ""), ({"theme": "x"}, "42")):
            with pytest.raises(InvalidArgument):
                await storefront.save_preferences(preferences, visitor_id=visitor)
        with pytest.raises(NotFound):
            await storefront.get_preferences("f" * 32)


def test_the_same_without_an_event_loop(running_vault: RunningVault) -> None:
    """For code that is not async."""
    customer = new_id()
    with sync.StorefrontClient.open(running_vault.caller("storefront")) as storefront:
        storefront.create_customer(NewCustomer(customer))
        visitor = storefront.save_preferences({"theme": "dark"}).visitor_id
        assert storefront.get_preferences(visitor) == {"theme": "dark"}
    with sync.CareClient.open(running_vault.caller("care")) as care:
        care.put_account(customer, status="active")
        assert care.get_account(customer).status == "active"
        care.append_log_entries(customer, ["called"])
        assert [line.text for line in care.list_log_entries(customer)] == ["called"]
