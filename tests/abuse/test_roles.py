"""Every caller x every method that reads no field: roles decide, and what is refused changes nothing (T15).

The requests are good ones, so that a refusal can only come from the role or the purpose. Destructive methods get a
customer of their own wherever they are allowed; wherever they must be refused they aim at one who must survive it.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.abuse import answers, disk, test_matrix_accounts
from tests.abuse.answers import Answer
from tests.abuse.canaries import Person, people
from tests.abuse.facts import BY_LETTER
from tests.abuse.oracle import DENIED_TEXT, Kind, Oracle
from tests.abuse.sealer import SealedSide
from tests.abuse.test_mail_roles import MAIL
from tests.abuse.test_matrix import BATCHES, NOBODY, READS, add_callers
from tests.disclosing import ask as ask_for_order
from tests.disclosing import request_of
from tests.figures import Figures
from tests.vaults import OpenVault, contact, opened
from vault.domain.ids import new_id
from vault.errors import VaultError
from vault.v1 import account_service_pb2 as accounts
from vault.v1 import audit_service_pb2 as audit
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import disclosure_service_pb2 as disclosures
from vault.v1 import key_service_pb2 as keys
from vault.v1 import order_service_pb2 as orders
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import policy_service_pb2 as policies
from vault.v1 import records_pb2 as records
from vault.v1 import retention_service_pb2 as retention
from vault.v1 import status_pb2 as status
from vault.v1 import visitor_service_pb2 as visitors
from vault.v1.consent_pb2 import CONSENT_STATE_GIVEN

VICTIM = people(1)[0]
COOKIE = "0123456789abcdef0123456789abcdef"
CARD = f"customers/{VICTIM.customer_id}/cards/one"
WEEK = visitors.GetTrafficReportRequest(
    start_time=Timestamp(seconds=(WEEK_START := (int(time.time()) - 345600) // 604800 * 604800 + 345600 - 2 * 604800)),
    end_time=Timestamp(seconds=WEEK_START + 604800),
    group_by=visitors.TRAFFIC_GROUPING_DOMAIN,
)
PLAIN = {
    "KeyService.GetRecipients": keys.GetRecipientsRequest(),
    "KeyService.ListKeys": keys.ListKeysRequest(),
    "PolicyService.GetPolicy": policies.GetPolicyRequest(),
    "RetentionService.RunRetention": retention.RunRetentionRequest(),
    "DisclosureService.ListDisclosures": disclosures.ListDisclosuresRequest(),
    "AuditService.ListEntries": audit.ListEntriesRequest(page_size=1),
    "AuditService.ReportAccess": audit.ReportAccessRequest(caller="spiffe://vault.example/billing"),
    "AuditService.GetCheckpoint": audit.GetCheckpointRequest(),
    "AuditService.GetInclusionProof": audit.GetInclusionProofRequest(),
    "AuditService.GetConsistencyProof": audit.GetConsistencyProofRequest(tree_sizes=[0, 1]),
    "VisitorService.RecordVisits": visitors.RecordVisitsRequest(
        visits=[visitors.Visit(host="pc.isp.de", time=WEEK.start_time, page="/")]
    ),
    "VisitorService.GetTrafficReport": WEEK,
    "OrderService.SaveOrderForm": orders.SaveOrderFormRequest(form=records.FormFields(values={"product": "fibre"})),
    "OrderService.ListOrders": orders.ListOrdersRequest(),
    "OrderService.WatchOrders": orders.WatchOrdersRequest(stop_when_caught_up=True),
    "VisitorService.GetPreferences": visitors.GetPreferencesRequest(visitor_id=COOKIE),
    "VisitorService.SavePreferences": visitors.SavePreferencesRequest(
        visitor_id=COOKIE, preferences=records.FormFields(values={"theme": "dark"})
    ),
}
"""Methods whose request is about nobody."""
OTHERS = {
    *PLAIN,
    "CustomerService.CreateCustomer",
    "CustomerService.BatchCreateCustomers",
    "CustomerService.GetCustomer",
    "CustomerService.ExportCustomer",
    "CustomerService.EraseCustomer",
    "CustomerService.SetConsent",
    "CustomerService.SetObjection",
    "CustomerService.RestrictCustomer",
    "DisclosureService.RequestDisclosure",
    "DisclosureService.ApproveDisclosure",
    "DisclosureService.RejectDisclosure",
    "ContactService.PutContact",
    "ContactService.DeleteContact",
    "PaymentService.AddCard",
    "PaymentService.DeleteCard",
    "AccountService.PutAccount",
    "AccountService.AppendLogEntries",
    "OrderService.SubmitOrder",
    "KeyService.PublishEpoch",
    "KeyService.GetEpochKeys",
    "KeyService.RegisterPurposeKey",
    "KeyService.ResealEpochs",
    "PolicyService.ExplainAccess",
}


@pytest.fixture
async def inhabited(home: Path) -> AsyncIterator[OpenVault]:
    """A vault with the one customer who must survive."""
    add_callers(home)
    async with opened(home) as vault:
        card = VICTIM.card()
        card.record_name = CARD
        await vault.create(VICTIM.customer_id, contact=VICTIM.contact(), cards=[card])
        await vault.call("storefront", "VisitorService.SavePreferences", PLAIN["VisitorService.SavePreferences"])
        yield vault


def test_every_served_method_is_in_one_of_the_matrices(home: Path) -> None:
    """A method that is added without cells of its own fails here."""
    from vault.policy.methods import served  # noqa: PLC0415 - the one thing asked of the code: what it serves

    assert served() == {*READS, *BATCHES, *test_matrix_accounts.READS, *OTHERS, *MAIL}


async def test_a_role_that_may_not_call_a_method_changes_nothing_by_calling_it(
    inhabited: OpenVault, figures: Figures
) -> None:
    """One text, the method's clause, an entry for each, and both stores as they were."""
    oracle = Oracle(inhabited.home / "policy.toml")
    before = disk.holdings(inhabited.home)
    size = len(await inhabited.entries())
    refused, allowed = 0, []
    for caller in [*oracle.tables["callers"], *NOBODY]:
        for method in sorted(OTHERS):
            expected = oracle.call(caller, method)
            if expected is None:
                continue
            for request in await requests(inhabited, method, None):
                got = await ask(inhabited, caller, method, request)
                refused += 1
                if got.kind is Kind.READ:
                    allowed.append((caller, method))
                else:
                    assert (got.kind, got.reason, got.clause) == (expected.kind, expected.reason, expected.clause)
                    assert got.text == DENIED_TEXT
    figures(f"{refused} cells refused by role, wrong-allow {len(allowed)}")
    assert not allowed
    assert disk.holdings(inhabited.home) == before
    assert len(await inhabited.entries()) - size == refused


async def test_a_role_that_may_call_a_method_is_served_and_sees_no_value(
    inhabited: OpenVault, figures: Figures
) -> None:
    """No answer of a method that reads no field holds a value of a customer."""
    oracle = Oracle(inhabited.home / "policy.toml")
    served, denied = 0, []
    for caller in oracle.tables["callers"]:
        for method in sorted(OTHERS - {"CustomerService.GetCustomer", *_OWN_PURPOSE}):
            if oracle.call(caller, method):
                continue
            for request in await requests(inhabited, method, caller):
                got = await ask(inhabited, caller, method, request)
                served += 1
                if got.kind is not Kind.READ:
                    denied.append((caller, method, got))
    figures(f"{served} cells served by role, wrong-deny {len(denied)}")
    assert not denied
    assert (await inhabited.get_contact(customer_id=VICTIM.customer_id)).name == VICTIM.name


_OWN_PURPOSE = {"KeyService.GetEpochKeys", "KeyService.RegisterPurposeKey", "KeyService.ResealEpochs"}


@pytest.mark.parametrize(
    "method",
    sorted(
        {"CustomerService.GetCustomer", "OrderService.ListOrders", "VisitorService.GetTrafficReport", *_OWN_PURPOSE}
    ),
)
async def test_a_purpose_that_a_caller_names_must_be_its_own(
    inhabited: OpenVault, figures: Figures, method: str
) -> None:
    """Whatever the method does with it: the log must not show a purpose that the caller does not have."""
    oracle = Oracle(inhabited.home / "policy.toml")
    epochs = await inhabited.parts.keyring.epochs.page("", 100)
    cells, wrong = 0, []
    for caller in oracle.tables["callers"]:
        if oracle.call(caller, method):
            continue
        own = oracle.purposes(oracle.roles(caller))
        for purpose in [*oracle.tables["purposes"], "no_such_purpose"]:
            epoch = next((e.epoch_id for _, e in epochs if purpose in e.members), b"")
            got = await ask(inhabited, caller, method, purposeful(inhabited, method, purpose, epoch))
            cells += 1
            if (got.kind is Kind.DENIED) == (purpose in own):
                wrong.append((caller, purpose, got))
    figures(f"{method}: {cells} cells, wrong {len(wrong)}")
    assert not wrong


async def test_an_explanation_says_what_the_rules_say(inhabited: OpenVault, figures: Figures) -> None:
    """Each caller about itself, for each field and purpose: it agrees with what a read would find."""
    oracle = Oracle(inhabited.home / "policy.toml")
    cells = 0
    for caller in oracle.tables["callers"]:
        for category, names in oracle.categories.items():
            for name in names:
                for purpose in oracle.tables["purposes"]:
                    asked = policies.ExplainAccessRequest(field=f"{category}.{name}", purpose=purpose)
                    got = await inhabited.call(caller, "PolicyService.ExplainAccess", asked)
                    own = purpose in oracle.purposes(oracle.roles(caller))
                    covered = purpose in oracle.tables["fields"][f"{category}.{name}"]["audience"]
                    assert got.allowed == (own and covered)
                    assert got.reason == (
                        status.REASON_UNSPECIFIED
                        if got.allowed
                        else status.REASON_FIELD_NOT_ALLOWED
                        if own
                        else status.REASON_PURPOSE_NOT_ALLOWED
                    )
                    cells += 1
    figures(f"{cells} cells explained, wrong 0")


async def ask(vault: OpenVault, caller: str, method: str, request: Message) -> Answer:
    """One call; what answers must hold no value."""
    try:
        response = await vault.call(caller, method, request)
    except VaultError as error:
        return answers.of_error(error)
    raw = b"".join(each.SerializeToString() for each in (response if isinstance(response, list) else [response]))
    assert not any(value.encode() in raw for value in VICTIM.values()), method
    return Answer(Kind.READ)


async def requests(vault: OpenVault, method: str, caller: str | None) -> list[Message]:
    """Good requests for a method: about the victim, or if a caller is given, about somebody of its own."""
    while vault.parts.log.signed < 1:  # noqa: ASYNC110 - nothing is proven before; the log has no event for it
        await asyncio.sleep(0.05)
    who = VICTIM.customer_id
    good: dict[str, list[Message]] = {
        **{name: [request] for name, request in PLAIN.items()},
        "CustomerService.CreateCustomer": [customers.CreateCustomerRequest(contact=contact())],
        "CustomerService.BatchCreateCustomers": [
            customers.BatchCreateCustomersRequest(requests=[customers.CreateCustomerRequest()])
        ],
        "CustomerService.GetCustomer": [customers.GetCustomerRequest(customer_id=who)],
        "ContactService.PutContact": [_put(who, VICTIM, name) for name in _FIELDS],
        "PaymentService.AddCard": [payments.AddCardRequest(customer_id=who, card=VICTIM.card())],
        "AccountService.PutAccount": [
            accounts.PutAccountRequest(customer_id=who, account=records.Account(status="active"))
        ],
        "AccountService.AppendLogEntries": [
            accounts.AppendLogEntriesRequest(customer_id=who, lines=[records.LogLine(text="called")])
        ],
        "KeyService.PublishEpoch": [SealedSide(vault.parts.keyring, "payment_processing").publication()],
        "PolicyService.ExplainAccess": [
            policies.ExplainAccessRequest(field="payment.card_number", purpose="payment_processing")
        ],
        **{name: [purposeful(vault, name, "payment_processing", b"")] for name in _OWN_PURPOSE},
    }
    return good.get(method) or [await _destructive(vault, method, caller)]


_FIELDS = ("name", "street", "city", "region", "postal_code", "country_code", "phone", "email")


def _put(who: str, person: Person, name: str) -> contacts.PutContactRequest:
    request = contacts.PutContactRequest(customer_id=who)
    request.update_mask.paths.append(name)
    setattr(request.contact, name, getattr(person.contact(), name))
    return request


async def _destructive(vault: OpenVault, method: str, caller: str | None) -> Message:
    if method.startswith("DisclosureService."):
        order = (await ask_for_order(vault, "nobody")).order_id if caller else "none"
        kind = {"Approve": disclosures.ApproveDisclosureRequest, "Reject": disclosures.RejectDisclosureRequest}
        made = kind.get(method.removeprefix("DisclosureService.").removesuffix("Disclosure"))
        return made(order_id=order) if made else request_of("nobody")
    who, card = VICTIM.customer_id, CARD
    if caller:
        who = f"{method.partition('.')[2]}-{caller.rpartition('/')[2]}"
        card = (await vault.create(who)).record_names[1]
    if method == "CustomerService.ExportCustomer":
        return customers.ExportCustomerRequest(customer_id=who)
    if method == "OrderService.SubmitOrder":
        form = PLAIN["OrderService.SaveOrderForm"]
        saved = await vault.call("storefront", "OrderService.SaveOrderForm", form) if caller else None
        return orders.SubmitOrderRequest(visitor_id=saved.visitor_id if saved else new_id())
    if method == "PaymentService.DeleteCard":
        return payments.DeleteCardRequest(record_name=card)
    if method == "ContactService.DeleteContact":
        return contacts.DeleteContactRequest(customer_id=who)
    return _statement(method, who) or customers.EraseCustomerRequest(customer_id=who)


def _statement(method: str, who: str) -> Message | None:
    match method:
        case "CustomerService.SetConsent":
            given = {"purpose": "partner_offers", "state": CONSENT_STATE_GIVEN, "notice_version": "1"}
            return customers.SetConsentRequest(customer_id=who, statement=BY_LETTER, **given)  # type: ignore[arg-type]
        case "CustomerService.SetObjection":
            return customers.SetObjectionRequest(
                customer_id=who, purpose="product_news", objects=True, statement=BY_LETTER
            )
        case "CustomerService.RestrictCustomer":
            return customers.RestrictCustomerRequest(customer_id=who, restricted=True, ground=1, statement=BY_LETTER)  # type: ignore[arg-type]
        case _:
            return None


def purposeful(vault: OpenVault, method: str, purpose: str, epoch: bytes) -> Message:
    """A request that names a purpose, as good as it can be for that purpose."""
    key = next((k for k in vault.parts.keyring.purposes.all() if k.purpose == purpose), None)
    fingerprint = bytes(key.recipient.fingerprint) if key else secrets.token_bytes(32)
    match method:
        case "CustomerService.GetCustomer":
            return customers.GetCustomerRequest(customer_id=VICTIM.customer_id, purpose=purpose)
        case "OrderService.ListOrders":
            return orders.ListOrdersRequest(purpose=purpose)
        case "VisitorService.GetTrafficReport":
            report = visitors.GetTrafficReportRequest(purpose=purpose)
            report.MergeFrom(WEEK)
            return report
        case "KeyService.GetEpochKeys":
            return keys.GetEpochKeysRequest(purpose=purpose, fingerprint=fingerprint)
        case "KeyService.RegisterPurposeKey":
            public_key = key.recipient.public_key if key else secrets.token_bytes(1216)
            return keys.RegisterPurposeKeyRequest(purpose=purpose, public_key=public_key)
    stanza = keys.Stanza(purpose=purpose, fingerprint=fingerprint, sealed=secrets.token_bytes(1168))
    return keys.ResealEpochsRequest(stanzas=[keys.EpochStanza(epoch_id=epoch or bytes(32), stanza=stanza)])
