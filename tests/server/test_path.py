"""The path of a call: what reaches the vault, and what the client gets back."""

import asyncio
import contextlib
import time
from pathlib import Path

from tests.server.running import PROVISIONING, get, getter, place, running
from vault.server import port
from vault.v1 import contact_service_pb2 as contacts


async def test_a_call_reaches_the_vault_with_caller_time_and_correlation(tmp_path: Path) -> None:
    """And its answer comes back with the newest checkpoint."""
    before = time.time_ns() // 1_000_000
    async with running(place(tmp_path)) as server, server.channel() as channel:
        call = getter(channel)(contacts.GetContactRequest(customer_id="7"), timeout=10)
        response = await call
        trailing = dict(await call.trailing_metadata() or ())
    assert response.contact.record_name == "customers/7/contact"
    assert trailing[port.CHECKPOINT] == b"a signed checkpoint"
    ((method, peer, at, correlation),) = server.vault.calls
    assert (method, peer) == ("ContactService.GetContact", PROVISIONING)
    assert before <= at <= time.time_ns() // 1_000_000
    assert correlation


async def test_answers_are_not_mixed_up(tmp_path: Path) -> None:
    """Many at a time, over four connections; each call has its own correlation."""
    async with running(place(tmp_path)) as server, contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(server.channel()) for _ in range(4)]
        answers = await asyncio.gather(*(get(channels[number % 4], str(number)) for number in range(160)))
    assert [answer.contact.record_name for answer in answers] == [f"customers/{n}/contact" for n in range(160)]
    assert len({call[3] for call in server.vault.calls}) == 160
