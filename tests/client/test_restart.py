"""An orderly restart of the vault fails no writer, and no write is done twice."""

import asyncio
import signal
from pathlib import Path

from tests.running import make_home, new_id, serving
from vault.client import Contact, NewCustomer, ProvisioningClient, StorefrontClient


async def test_a_restart_fails_no_writer(tmp_path: Path) -> None:
    """Forty of them, each with its next customer on the way; every id is new, so a second effect would be refused."""
    home = make_home(tmp_path)
    created: list[str] = []
    done = asyncio.Event()

    async def writer(storefront: StorefrontClient) -> None:
        while not done.is_set():
            customer = new_id()
            await storefront.create_customer(NewCustomer(customer, Contact(name="Ada")))
            created.append(customer)

    with serving(home) as vault:
        caller = vault.caller
        async with StorefrontClient.open(caller("storefront")) as storefront:
            writers = [asyncio.create_task(writer(storefront)) for _ in range(40)]
            await asyncio.sleep(0.5)
            before = len(created)
            vault.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(vault.process.wait)
            again = serving(home)
            await asyncio.to_thread(again.__enter__)
            try:
                await asyncio.sleep(0.5)
                done.set()
                await asyncio.gather(*writers)
                async with ProvisioningClient.open(caller("provisioning")) as provisioning:
                    found = await provisioning.batch_get_contacts(created[-500:])
            finally:
                await asyncio.to_thread(again.__exit__, None, None, None)
    assert 0 < before < len(created)
    assert {getattr(contact, "name", contact) for contact in found} == {"Ada"}
