"""Which coroutine serves which method of the API."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from vault.service.accounts import Accounts
from vault.service.call import Call
from vault.service.contacts import Contacts
from vault.service.customers import Customers
from vault.service.disclosures import Disclosures
from vault.service.expiries import Expiries
from vault.service.keys import Keys
from vault.service.logs import Logs
from vault.service.mail import Mail
from vault.service.ordering import Ordering
from vault.service.parts import Parts
from vault.service.payments import Payments
from vault.service.policies import Policies
from vault.service.visitors import Visitors

Handler = Callable[[Call, Any], Any]
"""A coroutine, or an asynchronous generator for a method whose answers are a stream."""

_SERVICES: Mapping[str, Callable[[Parts], object]] = {
    "CustomerService": Customers,
    "ContactService": Contacts,
    "PaymentService": Payments,
    "MailService": Mail,
    "DisclosureService": Disclosures,
    "KeyService": Keys,
    "PolicyService": Policies,
    "AccountService": Accounts,
    "AuditService": Logs,
    "RetentionService": Expiries,
    "VisitorService": Visitors,
    "OrderService": Ordering,
}


def methods_of(parts: Parts) -> dict[str, Handler]:
    """Every public coroutine or asynchronous generator of a service serves the method of its name.

    `get_card` of Payments is PaymentService.GetCard. Which of them stream, and in which direction, the .proto says.
    """
    found: dict[str, Handler] = {}
    for name, service in _SERVICES.items():
        for attribute, handler in inspect.getmembers(service(parts), _serves):
            if not attribute.startswith("_"):
                found[f"{name}.{re.sub(r'(?:^|_)([a-z])', lambda m: m[1].upper(), attribute)}"] = handler
    return found


def _serves(member: object) -> bool:
    return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
