"""Rules that are well formed each, and together promise what one of them breaks.

A gap is seen where it is; a contradiction takes two lines to see, often written by two people. Four kinds:

    a permission that can never be used    a purpose without a field, a role without the call or key for it
    a call that can only be refused        the call for a field, given to a role that has no purpose for it
    a condition that cannot hold           a visitor's cookie in front of a customer's field, and the reverse
    one person where two were promised     who may request a disclosure and approve it

None of these lets anybody read more than the other lines say. They are refused all the same: the file is signed by
people, who must be able to believe each of its lines.
"""

from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from vault.domain.fields import ALL_FIELDS
from vault.policy.methods import READS
from vault.policy.model import EVERYONE
from vault.policy.shape import File, names, path

Refuse = Callable[[str, str], NoReturn]

_VISITORS: Final = frozenset({"site"})
"""Categories of which no customer is known, so nobody can have consented, objected or be named by an order."""
_OF_CUSTOMERS: Final = frozenset({"consent", "objection", "order"})
_REQUEST: Final = "DisclosureService.RequestDisclosure"
_APPROVE: Final = "DisclosureService.ApproveDisclosure"
_KEYS: Final = "KeyService.GetEpochKeys"


def check(policy: File, refuse: Refuse) -> None:
    """Refuse a policy whose lines contradict each other; its names and forms are checked already."""
    _conditions_can_hold(policy, refuse)
    _orders_are_not_payment(policy, refuse)
    _purposes_can_be_used(policy, refuse)
    _calls_can_be_allowed(policy, refuse)
    _two_people(policy, refuse)


def _conditions_can_hold(policy: File, refuse: Refuse) -> None:
    for name, rule in policy.fields.items():
        of_visitors = name.partition(".")[0] in _VISITORS
        for i, purpose in enumerate(rule.audience):
            condition = policy.purposes[purpose].condition
            key = f"{path('fields', name)}.audience[{i}]"
            if condition == "own_visitor" and not of_visitors:
                refuse(key, "is for a visitor's own data only, and this field is a customer's; remove one of the two")
            if condition in _OF_CUSTOMERS and of_visitors:
                refuse(key, f'asks for a customer\'s "{condition}", and a visitor is no customer; it would never hold')


def _orders_are_not_payment(policy: File, refuse: Refuse) -> None:
    """Who follows orders has forms that were typed on a web page, and no card, by whatever line."""
    orders = {p for name in ALL_FIELDS if name.startswith("order.") for p in policy.fields[name].audience}
    for name in ALL_FIELDS:
        for i, purpose in enumerate(policy.fields[name].audience if name.startswith("payment.") else ()):
            if purpose in orders:
                refuse(f"{path('fields', name)}.audience[{i}]", "reads orders, and must not read payment; remove it")


def _purposes_can_be_used(policy: File, refuse: Refuse) -> None:
    """Whoever has a purpose has a field to read for it, a call that gives it, and what it takes to open it."""
    for name, rule in policy.purposes.items():
        key = path("purposes", name)
        fields = _fields_for(policy, name)
        if rule.custody != "none" and not fields:
            refuse(key, "is in the audience of no field, so nothing can be read for it; add it to one, or remove it")
        for category in dict.fromkeys(field.partition(".")[0] for field in fields):
            calls = READS[category]
            for i, role in enumerate(rule.roles):
                if not any(role in _roles(policy, call) for call in calls):
                    why = f"may read {category} for this purpose, but has no call that does; give it {names(calls)}"
                    refuse(f"{key}.roles[{i}]", why)
        for i, role in enumerate(rule.roles):
            if rule.custody == "caller" and role not in _roles(policy, _KEYS):
                refuse(f"{key}.roles[{i}]", f"must open what it reads itself, but may not call {_KEYS}; give it that")


def _calls_can_be_allowed(policy: File, refuse: Refuse) -> None:
    """A call whose every answer is a refusal reads as a permission to whoever signs the file."""
    for category, calls in READS.items():
        purposes = {
            p for field in ALL_FIELDS if field.startswith(f"{category}.") for p in policy.fields[field].audience
        }
        readers = {role for purpose in purposes for role in policy.purposes[purpose].roles}
        for call in calls:
            service, method = call.split(".")
            listed = policy.methods[service].methods.get(method, []) if service in policy.methods else []
            for i, role in enumerate(listed):
                if role not in readers and role != EVERYONE:
                    why = f"has no purpose that reads {category}, so each call would be refused; remove it"
                    refuse(f"{path('methods', service, method)}[{i}]", why)


def _two_people(policy: File, refuse: Refuse) -> None:
    """An order needs a requester and two approvers, distinct from each other: three certificates, two roles."""
    requesting, approving = _roles(policy, _REQUEST), _roles(policy, _APPROVE)
    service, method = _APPROVE.split(".")
    for i, role in enumerate(policy.methods[service].methods.get(method, []) if service in policy.methods else []):
        if role in requesting or role == EVERYONE:
            why = "may also request disclosures, so one person could do both; keep the two roles apart"
            refuse(f"{path('methods', service, method)}[{i}]", why)
    for name, caller in policy.callers.items():
        if requesting.intersection(caller.roles) and approving.intersection(caller.roles):
            why = "may request disclosures and approve them; give the roles to two callers"
            refuse(f"{path('callers', name)}.roles", why)


def _fields_for(policy: File, purpose: str) -> Sequence[str]:
    return [name for name, rule in policy.fields.items() if purpose in rule.audience]


def _roles(policy: File, call: str) -> frozenset[str]:
    """Who may make a call; nobody if the file does not list it."""
    service, method = call.split(".")
    table = policy.methods.get(service)
    listed = table.methods.get(method, []) if table else []
    return frozenset(policy.roles) if EVERYONE in listed else frozenset(listed)
