"""The methods that a policy gives to roles: those that are served, read from the API, and those to come.

A served method that the policy forgets would be one that nobody can call, found out by a caller; so the policy must
list each. A listed method that does not exist is a misspelled one, whose real name is then forgotten; so the policy
may list only names known here. Names that are designed but not served yet are known too, because the policy makes its
promises once, in full, and does not change with each release.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Final

from google.protobuf.descriptor import FileDescriptor

from vault import v1

PLANNED: Final[frozenset[str]] = frozenset(
    f"{service}.{method}"
    for service, methods in {
        "CustomerService": (
            "CreateCustomer BatchCreateCustomers GetCustomer SetConsent SetObjection RestrictCustomer "
            "ExportCustomer EraseCustomer"
        ),
        "ContactService": "PutContact GetContact BatchGetContacts FindContacts DeleteContact",
        "PaymentService": "AddCard GetCard BatchGetCards ListCards DeleteCard",
        "MailService": (
            "StoreMessage ClaimMessages FetchMessage CompleteDelivery ReleaseMessage ExtendLease "
            "GetMessage ListMessages"
        ),
        "AccountService": "PutAccount GetAccount AppendLogEntries ListLogEntries",
        "OrderService": "SaveOrderForm SubmitOrder ListOrders WatchOrders",
        "VisitorService": "RecordVisits GetTrafficReport SavePreferences GetPreferences",
        "DisclosureService": "RequestDisclosure ApproveDisclosure RejectDisclosure ListDisclosures",
        "KeyService": "GetRecipients PublishEpoch GetEpochKeys RegisterPurposeKey ResealEpochs ListKeys",
        "AuditService": "ListEntries ReportAccess GetCheckpoint GetInclusionProof GetConsistencyProof",
        "PolicyService": "GetPolicy ExplainAccess",
        "RetentionService": "RunRetention",
    }.items()
    for method in methods.split()
)
"""Every method of the API's design, served or not."""

READS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "contact": ("ContactService.GetContact", "ContactService.BatchGetContacts", "ContactService.FindContacts"),
        "payment": ("PaymentService.GetCard", "PaymentService.BatchGetCards"),
        "account": ("AccountService.GetAccount", "AccountService.ListLogEntries"),
        "mail": ("MailService.GetMessage", "MailService.FetchMessage"),
        "order": ("OrderService.ListOrders", "OrderService.WatchOrders"),
        "site": ("VisitorService.GetPreferences",),
    }
)
"""The calls that give fields of a category, to whoever has a purpose for them. `ListCards` is not among them: it gives
names and times to those who have none."""


NOT_YET: Final[frozenset[str]] = frozenset()
"""Services whose .proto stands before their code does: known, and not served."""


@cache
def served() -> frozenset[str]:
    """The methods of all services in vault.v1, found by folder so that a new service cannot be left out."""
    names = (m.name for m in iter_modules(v1.__path__) if m.name.endswith("_service_pb2"))
    files: list[FileDescriptor] = [import_module(f"{v1.__name__}.{name}").DESCRIPTOR for name in names]
    return frozenset(
        f"{service.name}.{method.name}"
        for file in files
        for service in file.services_by_name.values()
        if service.name not in NOT_YET
        for method in service.methods
    )
