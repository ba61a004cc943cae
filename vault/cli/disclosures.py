"""How an order of disclosure reads, for people and for programs."""

from vault.cli import moments, output
from vault.v1 import disclosure_service_pb2 as v1


def document(order: v1.DisclosureOrder) -> dict[str, object]:
    """All of an order."""
    return {
        "order_id": order.order_id,
        "state": state(order),
        "ground": v1.DisclosureGround.Name(order.ground).removeprefix("DISCLOSURE_GROUND_").lower(),
        "case_reference": order.case_reference,
        "customer_ids": list(order.customer_ids),
        "fields": list(order.fields),
        "expire_time": moments.iso_ms(order.expire_time_ms),
        "hold_until": moments.iso_ms(order.hold_until_ms) or None,
        "requested": _decision(order.request),
        "approvals": [_decision(each) for each in order.approvals],
        "rejected": _decision(order.rejection) if order.HasField("rejection") else None,
        "etag": order.etag,
    }


def state(order: v1.DisclosureOrder) -> str:
    """`requested`, `approved`, `rejected`, `closed` or `expired`."""
    return v1.DisclosureState.Name(order.state).removeprefix("DISCLOSURE_STATE_").lower()


def tell(order: v1.DisclosureOrder) -> None:
    """Print an order."""
    output.pairs(
        {
            "order": order.order_id,
            "state": state(order),
            "case": order.case_reference,
            "customers": ", ".join(order.customer_ids),
            "fields": ", ".join(order.fields),
            "until": moments.iso_ms(order.expire_time_ms),
            "kept until": moments.iso_ms(order.hold_until_ms),
            "requested": _words(order.request),
            "approved": "; ".join(map(_words, order.approvals)),
            "rejected": _words(order.rejection) if order.HasField("rejection") else "",
        }
    )


def _decision(decision: v1.DisclosureDecision) -> dict[str, str]:
    return {"caller": decision.caller, "time": moments.iso_ms(decision.time_ms)}


def _words(decision: v1.DisclosureDecision) -> str:
    return f"{decision.caller}, {moments.iso_ms(decision.time_ms)}"
