"""Short ways through an order of disclosure: requested by legal, approved by people."""

import time
from typing import Any, Final

from tests.vaults import TRUST_DOMAIN, OpenVault
from vault.v1 import disclosure_service_pb2 as v1

ALICE: Final = f"spiffe://{TRUST_DOMAIN}/person/alice"
BOB: Final = f"spiffe://{TRUST_DOMAIN}/person/bob"
HOUR_MS: Final = 3_600_000


def request_of(*customers: str, **changes: Any) -> v1.RequestDisclosureRequest:
    """A request for name and phone of these customers, for an hour."""
    fields: dict[str, Any] = {
        "ground": v1.DISCLOSURE_GROUND_LEGAL_ACTION,
        "case_reference": "case 12/2026",
        "customer_ids": customers or ("42",),
        "fields": ["contact.name", "contact.phone"],
        "expire_time_ms": time.time_ns() // 1_000_000 + HOUR_MS,
    }
    return v1.RequestDisclosureRequest(**{**fields, **changes})


async def ask(vault: OpenVault, *customers: str, **changes: Any) -> v1.DisclosureOrder:
    """Request an order, as legal."""
    answer = await vault.call("legal", "DisclosureService.RequestDisclosure", request_of(*customers, **changes))
    order: v1.DisclosureOrder = answer.order
    return order


async def approve(vault: OpenVault, order_id: str, person: str) -> v1.DisclosureOrder:
    """Approve, as a person."""
    request = v1.ApproveDisclosureRequest(order_id=order_id)
    order: v1.DisclosureOrder = (await vault.call(person, "DisclosureService.ApproveDisclosure", request)).order
    return order


async def reject(vault: OpenVault, order_id: str, person: str = ALICE) -> v1.DisclosureOrder:
    """Reject or close, as a person."""
    request = v1.RejectDisclosureRequest(order_id=order_id)
    order: v1.DisclosureOrder = (await vault.call(person, "DisclosureService.RejectDisclosure", request)).order
    return order


async def approved(vault: OpenVault, *customers: str, **changes: Any) -> v1.DisclosureOrder:
    """An order that two people have approved."""
    order = await ask(vault, *customers, **changes)
    for person in (ALICE, BOB):
        order = await approve(vault, order.order_id, person)
    return order
