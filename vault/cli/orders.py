"""Orders as lines for people and as documents for programs; `orders list` and `orders watch` share them."""

from vault.cli import moments
from vault.client.orders import OpenedOrder, OrderEvent

COLUMNS = ("time", "order", "form")


def row(order: OpenedOrder) -> tuple[str, str, str]:
    """A line of a table."""
    values = "; ".join(f"{name}: {value}" for name, value in sorted(order.values.items()))
    return moments.iso(order.create_time), order.record_name, values


def document(order: OpenedOrder) -> dict[str, object]:
    """The same for programs."""
    return {
        "record_name": order.record_name,
        "customer_id": order.customer_id,
        "create_time": moments.iso(order.create_time),
        "form": dict(order.values),
    }


def event_document(event: OrderEvent) -> dict[str, object]:
    """What a watcher is told, with the token to go on with."""
    found: dict[str, object] = {"resume_token": event.resume_token}
    if event.order:
        found["order"] = document(event.order)
    elif event.erased_customer_id:
        found["erased_customer_id"] = event.erased_customer_id
    elif event.unreadable:
        found["unreadable"] = event.unreadable
    else:
        found["caught_up"] = True
    return found


def event_line(event: OrderEvent) -> str:
    """The same in words."""
    if event.order:
        return "  ".join(row(event.order))
    if event.erased_customer_id:
        return f"erased: customer {event.erased_customer_id}; whatever was copied of its orders must go"
    if event.unreadable:
        return f"does not open: {event.unreadable} (customer-vault audit tail says when it was written)"
    return "that is all so far; to go on from here: --after TOKEN, with the token that --json shows"
