"""Mail that waits for a customer who is to be erased: out of the house first, and the receipt says what was lost."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.leftovers import NOTHING, left
from tests.service.mailing import Mailer
from tests.vaults import OpenVault, make_home, opened
from vault.audit.entry import parse
from vault.errors import FailedPrecondition
from vault.service.mail_erasure import ACTION
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import mail_service_pb2 as v1
from vault.v1 import status_pb2 as status

ERASE = "CustomerService.EraseCustomer"


@pytest.fixture(params=["deliver", "bounce"])
async def rule(request: pytest.FixtureRequest) -> str:
    """What the policy says."""
    return str(request.param)


@pytest.fixture
async def vault(tmp_path: Path, rule: str) -> AsyncIterator[OpenVault]:
    """An open vault under that policy."""
    home = await make_home(tmp_path / "home")
    policy = home / "policy.toml"
    policy.write_text(policy.read_text().replace('on_erasure = "deliver"', f'on_erasure = "{rule}"'))
    async with opened(home) as vault:
        assert vault.vault.policy.mail_on_erasure == rule
        yield vault


async def erase(vault: OpenVault, *, discard: bool = False) -> customers.ErasureReceipt:
    """Erase customer 42."""
    request = customers.EraseCustomerRequest(customer_id="42", discard_mail=discard)
    answer: customers.EraseCustomerResponse = await vault.call("officer", ERASE, request)
    return answer.receipt


async def test_an_erasure_waits_for_mail_and_hurries_it(vault: OpenVault, rule: str) -> None:
    """What was put off is due at once; what a worker has stays the worker's."""
    mailer = await Mailer.of(vault)
    await vault.create("42")
    await mailer.store(owner="customers/42", message_id="held")
    (held,) = (await mailer.claim()).messages
    put_off = mailer.seal(owner="customers/42", message_id="later")
    put_off.header.due_time.FromMilliseconds(mailer.now() + 3_600_000)
    await mailer.send(put_off.parts())
    assert not (await mailer.claim()).messages
    for _ in range(2):
        refusal = await vault.refusal("officer", ERASE, customers.EraseCustomerRequest(customer_id="42"))
        assert isinstance(refusal, FailedPrecondition)
        assert refusal.reason == status.REASON_STATE
    assert (await vault.get_contact()).name
    (due,) = (await mailer.claim(dead_letters=rule == "bounce")).messages
    assert due.message.record_name == put_off.name
    done = v1.RECIPIENT_STATE_BOUNCED if rule == "bounce" else v1.RECIPIENT_STATE_DELIVERED
    for each in (held, due):
        assert (await mailer.complete(each.message.record_name, each.lease_id, 0, 1, state=done)).gone
    receipt = await erase(vault)
    assert json.loads(receipt.statement)["mail"] == {"first": rule, "messages_lost": 0}
    assert left(vault.home) == NOTHING
    hurried = [e for e in map(parse, await vault.entries()) if e.action == ACTION]
    assert "messages/later" in hurried[0].records


async def test_an_officer_who_cannot_wait_loses_mail_and_is_told_how_much(vault: OpenVault, rule: str) -> None:
    """The receipt says so."""
    mailer = await Mailer.of(vault)
    await vault.create("42")
    for _ in range(3):
        await mailer.store(owner="customers/42")
    receipt = await erase(vault, discard=True)
    assert json.loads(receipt.statement)["mail"] == {"first": rule, "messages_lost": 3}
    assert left(vault.home) == NOTHING
