"""The policy that is shipped keeps the promises of the published text, word for word."""

from pathlib import Path

import pytest

from vault.domain.audience import Custody
from vault.domain.fields import ALL_FIELDS
from vault.policy import methods
from vault.policy.load import DEFAULT, load
from vault.policy.model import Condition, Policy

# The published text, as given; not edited.
TEXT = " ".join(Path(__file__).with_name("privacy_policy.txt").read_text().split())

# purpose: custody, roles, condition, words of the published text. From the design of the policy.
PURPOSES = {
    "service_provisioning": ("vault", "provisioning", "", "to establish our service for you."),
    "payment_processing": ("caller", "billing", "", "We use payment information for payment processing purposes only."),
    "mail_delivery": (
        "caller",
        "mail",
        "",
        "as a necessary incident to the transmission and delivery of those communications",
    ),
    "account_service": ("vault", "care provisioning", "", "in the normal course of providing service"),
    "service_notices": ("vault", "notices", "", "to provide customers with system information"),
    "product_news": ("vault", "notices", "objection", "or information about new or upgraded products"),
    "partner_offers": ("vault", "partners", "consent", "with selected partners/third parties"),
    "partner_programs": ("vault", "partners", "consent", "special partner programs"),
    "legal_disclosure": ("caller", "legal", "order", "We will not otherwise disclose"),
    "order_tracking": ("vault", "sales", "", "forward this information to our internal sales tracking database"),
    "site_personalization": ("vault", "storefront", "own_visitor", "tailor its operation to your needs"),
    "traffic_analysis": (
        "none",
        "analytics advertisers",
        "aggregates",
        "aggregate information on our web site's traffic profile",
    ),
}

ADDRESS = (
    "service_provisioning payment_processing account_service service_notices product_news partner_offers "
    "partner_programs legal_disclosure"
)
REACH = ADDRESS.replace("payment_processing ", "")
ACCOUNT = "account_service service_provisioning legal_disclosure"

# field: audience, caller_only.
FIELDS = {
    **{f"contact.{f}": (ADDRESS, False) for f in ("name", "street", "city", "region", "postal_code", "country_code")},
    **{f"contact.{f}": (REACH, False) for f in ("phone", "email")},
    **{
        f"payment.{f}": ("payment_processing", True)
        for f in ("card_number", "expiry", "holder_name", "brand", "last_four")
    },
    **{f"account.{f}": (ACCOUNT, False) for f in ("status", "services", "history", "log_entries")},
    **{f"mail.{f}": ("mail_delivery", True) for f in ("sender", "recipients", "dsn", "body")},
    "order.form": ("order_tracking", False),
    "site.preferences": ("site_personalization", False),
}


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The policy that is shipped."""
    return load(DEFAULT)


def test_every_clause_is_in_the_published_text_word_for_word(policy: Policy) -> None:
    """A clause is a quotation, never a paraphrase."""
    clauses = [r.clause for rules in (policy.purposes, policy.fields, policy.methods) for r in rules.values()]
    assert len(clauses) > 80
    for clause in clauses:
        assert " ".join(clause.split()) in TEXT, clause


def test_comments_quote_the_published_text_word_for_word() -> None:
    """A sentence in quotation marks in a comment that has an upper-case start and a full stop is a quotation too."""
    comments = " ".join(
        line.removeprefix("#").strip() for line in DEFAULT.read_text().splitlines() if line.startswith("#")
    )
    quoted = [part for part in comments.split('"')[1::2] if part[:1].isupper() and part.endswith(".")]
    assert len(quoted) == 3
    assert all(sentence in TEXT for sentence in quoted)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_purpose_is_as_designed(policy: Policy, purpose: str) -> None:
    """Custody, callers, condition and clause of each purpose."""
    custody, roles, condition, words = PURPOSES[purpose]
    (rule,) = (r for name, r in policy.purposes.items() if name == purpose)
    assert rule.custody is Custody(custody)
    assert rule.roles == set(roles.split())
    assert rule.condition is Condition(condition)
    assert words in rule.clause


@pytest.mark.parametrize("field", FIELDS)
def test_field_is_as_designed(policy: Policy, field: str) -> None:
    """Audience and caller_only of each field."""
    audience, caller_only = FIELDS[field]
    rule = policy.fields[field]
    assert rule.members == set(audience.split())
    assert rule.audience == "+".join(sorted(audience.split()))
    assert rule.caller_only is caller_only


def test_nothing_is_missing_and_nothing_is_more(policy: Policy) -> None:
    """The tables above are the whole policy, and the whole API."""
    assert set(policy.purposes) == set(PURPOSES)
    assert set(policy.fields) == set(FIELDS) == set(ALL_FIELDS)
    assert set(policy.methods) == methods.PLANNED
    assert methods.served() <= methods.PLANNED


def test_default_names_no_caller_and_no_key(policy: Policy) -> None:
    """Both belong to an installation."""
    assert not policy.callers
    assert not policy.keys


READS = {"GetContact", "BatchGetContacts", "FindContacts", "GetCard", "BatchGetCards", "GetAccount", "ListLogEntries"}


@pytest.mark.parametrize(
    "role", ["storefront", "operator", "auditor", "officer", "approver", "analytics", "advertisers"]
)
def test_role_without_a_customers_purpose_reads_no_customer(policy: Policy, role: str) -> None:
    """Roles that read nothing by design have neither a method nor a purpose for it."""
    roles = frozenset({role})
    called = {m.method.split(".")[1] for m in policy.methods.values() if policy.may_call(m.method, roles)}
    assert not called & READS
    categories = {f.partition(".")[0] for p in policy.purposes_of(roles) for f in policy.readable(p)}
    assert categories <= ({"site"} if role == "storefront" else set())


def test_only_billing_reaches_a_card(policy: Policy) -> None:
    """Method and purpose both."""
    assert policy.methods["PaymentService.GetCard"].roles == {"billing"}
    assert policy.methods["PaymentService.BatchGetCards"].roles == {"billing"}
    readers = {
        r for f in policy.of_category("payment") for p in policy.fields[f].members for r in policy.purposes[p].roles
    }
    assert readers == {"billing"}


def test_who_requests_a_disclosure_does_not_approve_it(policy: Policy) -> None:
    """Two roles, so that two kinds of certificates are needed."""
    requests = policy.methods["DisclosureService.RequestDisclosure"].roles
    assert requests.isdisjoint(policy.methods["DisclosureService.ApproveDisclosure"].roles)


def test_role_that_reads_a_category_may_call_a_method_for_it(policy: Policy) -> None:
    """No purpose is given to a role that could never use it."""
    method = {
        "contact": "ContactService.GetContact",
        "payment": "PaymentService.GetCard",
        "account": "AccountService.GetAccount",
        "mail": "MailService.FetchMessage",
        "order": "OrderService.ListOrders",
        "site": "VisitorService.GetPreferences",
    }
    for rule in policy.purposes.values():
        for category in {f.partition(".")[0] for f in policy.readable(rule.purpose)}:
            for role in rule.roles:
                assert policy.may_call(method[category], frozenset({role})), (role, category)
