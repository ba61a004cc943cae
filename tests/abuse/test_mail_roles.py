"""Every caller x every method of MailService (T15): the mail role's calls are served, all others change nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.abuse import disk
from tests.abuse.oracle import DENIED_TEXT, Oracle
from tests.abuse.test_matrix import NOBODY
from tests.figures import Figures
from tests.service.mailing import Mailer
from tests.vaults import OpenVault, make_home, opened
from vault.errors import PermissionDenied, VaultError
from vault.policy.methods import served
from vault.v1 import mail_service_pb2 as v1

MAIL = {name for name in served() if name.startswith("MailService.")}


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[OpenVault]:
    """An open vault."""
    async with opened(await make_home(tmp_path / "home")) as vault:
        yield vault


async def requests(mailer: Mailer) -> dict[str, Any]:
    """A good request for each method, about messages that are there."""
    waiting = await mailer.store()
    for _ in range(4):
        await mailer.store()
    leased = (await mailer.claim(max_messages=4)).messages
    held: list[dict[str, Any]] = [
        {"record_name": each.message.record_name, "lease_id": each.lease_id} for each in leased
    ]
    result = v1.DeliveryResult(recipient=0, state=v1.RECIPIENT_STATE_DELIVERED)
    return {
        "MailService.StoreMessage": mailer.seal().parts(),
        "MailService.ClaimMessages": v1.ClaimMessagesRequest(),
        "MailService.FetchMessage": v1.FetchMessageRequest(record_name=waiting.name),
        "MailService.CompleteDelivery": v1.CompleteDeliveryRequest(**held[0], results=[result]),
        "MailService.ReleaseMessage": v1.ReleaseMessageRequest(**held[1], reason=v1.RELEASE_REASON_WORKER_STOPPED),
        "MailService.ExtendLease": v1.ExtendLeaseRequest(**held[2]),
        "MailService.GetMessage": v1.GetMessageRequest(record_name=waiting.name),
        "MailService.ListMessages": v1.ListMessagesRequest(),
    }


async def test_mail_is_the_mail_systems_alone(vault: OpenVault, figures: Figures) -> None:
    """One text and the method's clause for everybody else, an entry for each, and both stores as they were."""
    mailer = await Mailer.of(vault)
    oracle, good = Oracle(vault.home / "policy.toml"), await requests(mailer)
    assert set(good) == MAIL
    before, size, cells = disk.holdings(vault.home), len(await vault.entries()), 0
    for caller in [*oracle.tables["callers"], *NOBODY]:
        for method, request in good.items():
            expected = oracle.call(caller, method)
            if expected is None:
                continue
            error = await vault.refusal(caller, method, request)
            assert isinstance(error, PermissionDenied)
            assert (error.reason, error.clause, str(error)) == (expected.reason, expected.clause, DENIED_TEXT)
            cells += 1
    assert disk.holdings(vault.home) == before
    assert len(await vault.entries()) - size == cells
    for method, request in good.items():
        assert await vault.call("mail", method, request)
    figures(f"{cells} cells of mail refused by role, {len(good)} served, wrong 0")


@pytest.mark.parametrize("purpose", ["payment_processing", "no_such_purpose"])
async def test_a_purpose_that_mail_does_not_have_is_refused(vault: OpenVault, purpose: str) -> None:
    """By every method that takes one."""
    mailer = await Mailer.of(vault)
    for method, request in (await requests(mailer)).items():
        if "purpose" not in getattr(request, "DESCRIPTOR", v1.StoreMessageRequest.DESCRIPTOR).fields_by_name:
            continue
        request.purpose = purpose
        error: VaultError = await vault.refusal("mail", method, request)
        assert isinstance(error, PermissionDenied), method
