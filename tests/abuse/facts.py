"""A customer's facts, brought about as the privacy officer does it: by calls, each a version of the customer record."""

from collections.abc import Iterable
from typing import Final

from tests.vaults import OpenVault
from vault.v1 import consent_pb2 as said
from vault.v1 import customer_service_pb2 as v1

BY_LETTER: Final = said.Statement(channel=said.CONSENT_CHANNEL_LETTER)


async def consent(vault: OpenVault, customer_id: str, purpose: str, *, given: bool = True) -> v1.SetConsentResponse:
    """Give or withdraw consent to a purpose."""
    state = said.CONSENT_STATE_GIVEN if given else said.CONSENT_STATE_WITHDRAWN
    request = v1.SetConsentRequest(
        customer_id=customer_id, purpose=purpose, state=state, notice_version="2026-11", statement=BY_LETTER
    )
    answer: v1.SetConsentResponse = await vault.call("officer", "CustomerService.SetConsent", request)
    return answer


async def objection(vault: OpenVault, customer_id: str, purpose: str, *, objects: bool = True) -> None:
    """Object to a purpose, or no more."""
    request = v1.SetObjectionRequest(customer_id=customer_id, purpose=purpose, objects=objects, statement=BY_LETTER)
    await vault.call("officer", "CustomerService.SetObjection", request)


async def restriction(vault: OpenVault, customer_id: str, *, restricted: bool = True) -> None:
    """Restrict a customer, or lift that."""
    request = v1.RestrictCustomerRequest(
        customer_id=customer_id,
        restricted=restricted,
        ground=said.RESTRICTION_GROUND_LEGAL_CLAIMS,
        statement=BY_LETTER,
    )
    await vault.call("officer", "CustomerService.RestrictCustomer", request)


async def set_facts(
    vault: OpenVault,
    customer_id: str,
    *,
    consents: Iterable[str] = (),
    objections: Iterable[str] = (),
    restricted: bool = False,
) -> None:
    """Bring these facts about for a customer who has said nothing yet."""
    for purpose in sorted(consents):
        await consent(vault, customer_id, purpose)
    for purpose in sorted(objections):
        await objection(vault, customer_id, purpose)
    if restricted:
        await restriction(vault, customer_id)
