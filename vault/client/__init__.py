"""The SDK: what a service of the company links to call the vault.

    async with BillingClient.open("DIR/callers/billing") as billing:
        card = await billing.get_card("customers/42/cards/7f3a", fields=["brand", "last_four"])

Clients are async; `vault.client.sync` has the same ones for code that is not. Each opens and seals on its own side,
believes only its pins, and watches the log's checkpoints. Errors are those of `vault.errors`, and here those that only
a caller can find out. The modules, from the file to the call:

    settings, pins, files     a caller's folder, read strictly
    channel, connection       mutual TLS; one call with its deadline and its checkpoint
    repeating, unanswered     what is sent again, and what is known if no answer came
    checkpoints, witness_state      whether a log shrank or was rewritten
    status                    from gRPC's errors to ours
    epoch_keys, opening       from envelopes to plaintexts
    chosen_ids                a call that is repeated after a crash
    sealing                   from plaintexts to envelopes, and this caller's epochs
    records, paging           what callers get
    streams, bodies, uploads, fetched, mail_opening, mail_tokens       messages, which are never held whole
    accounts, preferences     accounts and logs; what visitors like
    orders                    a visitor's form, and the orders that sales follows
    statements, disclosures   what customers say; orders of disclosure
    storefront, billing, mail, care, staff, custodian       one class for each role
"""

from vault.client.accounts import LoggedLine, OpenedAccount, PastState
from vault.client.billing import BillingClient
from vault.client.care import CareClient, PartnerClient, ProvisioningClient
from vault.client.custodian import Resealed
from vault.client.disclosures import ApproverClient, LegalClient
from vault.client.errors import BadCheckpoint, PinMismatch, RolledBack, Untrusted
from vault.client.fetched import FetchedMessage, MailEnvelope
from vault.client.mail import MailClient
from vault.client.orders import OpenedOrder, OrderEvent, SalesClient, SavedForm
from vault.client.preferences import SavedPreferences
from vault.client.records import NewCustomer, OpenedCard, OpenedContact, RecordInfo
from vault.client.settings import Settings
from vault.client.staff import AuditorClient, OfficerClient, OperatorClient
from vault.client.storefront import StorefrontClient
from vault.client.traffic import TrafficClient
from vault.crypto.note import Checkpoint
from vault.v1.records_pb2 import Card, Contact

__all__ = [
    "ApproverClient",
    "AuditorClient",
    "BadCheckpoint",
    "BillingClient",
    "Card",
    "CareClient",
    "Checkpoint",
    "Contact",
    "FetchedMessage",
    "LegalClient",
    "LoggedLine",
    "MailClient",
    "MailEnvelope",
    "NewCustomer",
    "OfficerClient",
    "OpenedAccount",
    "OpenedCard",
    "OpenedContact",
    "OpenedOrder",
    "OperatorClient",
    "OrderEvent",
    "PartnerClient",
    "PastState",
    "PinMismatch",
    "ProvisioningClient",
    "RecordInfo",
    "Resealed",
    "RolledBack",
    "SalesClient",
    "SavedForm",
    "SavedPreferences",
    "Settings",
    "StorefrontClient",
    "TrafficClient",
    "Untrusted",
]
