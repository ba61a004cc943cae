"""What the published policy promises to visitors, sentence by sentence; docs/promises.md has the table."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.vaults import OpenVault, card, contact
from vault.domain.fields import ALL_FIELDS
from vault.errors import InvalidArgument, NotFound, PermissionDenied
from vault.policy.load import DEFAULT, load
from vault.policy.model import Condition
from vault.v1 import order_service_pb2 as orders
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import records_pb2 as records
from vault.v1 import visitor_service_pb2 as v1

POLICY = load(DEFAULT)
COOKIE, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def visit(host: str, page: str) -> v1.Visit:
    """A visit of an hour ago."""
    found = v1.Visit(host=host, page=page)
    found.time.FromDatetime(datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    return found


async def test_a_visit_identifies_nobody(vault: OpenVault) -> None:
    """Whatever the web server hands over, what is stored is a domain, an hour and a page; the address is nowhere.

    The policy says: "you can visit us on the web without identifying yourself or revealing any personal
    information."
    """
    host = "ann-example.dsl.isp.de"
    await vault.call(
        "storefront", "VisitorService.RecordVisits", v1.RecordVisitsRequest(visits=[visit(host, "/a?mail=ann@x.org")])
    )
    stored = b"".join(path.read_bytes() for path in vault.home.rglob("*.db*"))
    assert b"isp.de" in stored
    for text in (b"ann-example", b"ann@x.org", b"mail="):
        assert text not in stored


def test_a_visit_is_a_host_a_time_and_a_page() -> None:
    """The promise holds word for word.

    The site "collects basic user information about you that includes your ISP's domain, the time you accessed".
    """
    assert [field.name for field in v1.Visit.DESCRIPTOR.fields] == ["host", "time", "page", "count"]


def test_what_a_visitor_did_elsewhere_has_no_field() -> None:
    """Whoever it is meant for can do it, and does it for that purpose.

    The policy says: "Our web server does not collect your e-mail address or aggregate information on what other
    pages"
    """
    names = {field.name for field in v1.Visit.DESCRIPTOR.fields}
    assert names.isdisjoint({"email", "referrer", "referer", "address", "ip", "cookie", "user_agent", "visitor_id"})
    assert not any(name.startswith("visit.") for name in ALL_FIELDS)


async def test_preferences_are_the_visitors_own(vault: OpenVault) -> None:
    """Whoever it is meant for can do it, and does it for that purpose.

    The policy says: "By gathering and remembering information about your preferences, the web application can
    tailor"
    """
    values = records.FormFields(values={"theme": "dark"})
    saving = v1.SavePreferencesRequest(visitor_id=COOKIE, preferences=values)
    await vault.call("storefront", "VisitorService.SavePreferences", saving)
    answer = await vault.call(
        "storefront", "VisitorService.GetPreferences", v1.GetPreferencesRequest(visitor_id=COOKIE)
    )
    assert dict(answer.preferences.preferences.values) == {"theme": "dark"}
    other = v1.GetPreferencesRequest(visitor_id=OTHER)
    assert isinstance(
        await vault.refusal("storefront", "VisitorService.GetPreferences", other), (NotFound, PermissionDenied)
    )


async def test_a_cookie_is_random_and_stands_for_nobody(vault: OpenVault) -> None:
    """Cookies "allow a web application to respond to you as an individual": by a number, never by who it is."""
    for cookie in ("ann@example.org", "42", "customer-42"):
        values = records.FormFields(values={"theme": "dark"})
        asked = v1.SavePreferencesRequest(visitor_id=cookie, preferences=values)
        assert isinstance(await vault.refusal("storefront", "VisitorService.SavePreferences", asked), InvalidArgument)


def test_visits_are_read_as_counts_only() -> None:
    """By counts, which is all there is.

    The policy says: "The basic user information collected is used to help us analyze web traffic"
    """
    rule = next(r for name, r in POLICY.purposes.items() if name == "traffic_analysis")
    assert rule.condition is Condition.AGGREGATES
    assert POLICY.readable("traffic_analysis") == frozenset()
    reports = {field.name for field in v1.GetTrafficReportResponse.DESCRIPTOR.fields}
    assert reports.isdisjoint({"visits_list", "visitors", "hosts"})


async def test_counts_serve_the_analysis_and_then_go(vault: OpenVault) -> None:
    """Kept for as long as the policy says and no longer, without anybody asking.

    The policy says: "to help us analyze web traffic and to improve the content of our web site"
    """
    assert POLICY.retention.visits.text == "13 months"
    await vault.call(
        "storefront", "VisitorService.RecordVisits", v1.RecordVisitsRequest(visits=[visit("a.isp.de", "/")])
    )
    now = time.time_ns() // 1_000_000
    assert (await vault.parts.retention.sweep(now)).visit_counts == 0
    assert (await vault.parts.retention.sweep(now + 398 * 24 * 3_600_000)).visit_counts == 2


async def test_third_parties_get_aggregates_of_a_whole_week(vault: OpenVault) -> None:
    """Advertisers ask for a day and are refused; of the week they see no small group. Analytics is no third party.

    The policy says: "We may from time to time disclose to third parties aggregate information on our web site's
    traffic profile."
    """
    # Two Mondays ago: that week has been over for a day, whatever day it is.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday() + 14)
    visits = [visit("pc.isp.de", "/products"), visit("pc.small.de", "/careers")]
    for each, count in zip(visits, (100_000, 3), strict=True):
        each.count = count
        each.time.FromDatetime(monday)
    await vault.call("storefront", "VisitorService.RecordVisits", v1.RecordVisitsRequest(visits=visits))

    def asked(days: int) -> v1.GetTrafficReportRequest:
        request = v1.GetTrafficReportRequest(group_by=v1.TRAFFIC_GROUPING_DOMAIN)
        request.start_time.FromDatetime(monday)
        request.end_time.FromDatetime(monday + timedelta(days=days))
        return request

    exact = await vault.call("analytics", "VisitorService.GetTrafficReport", asked(1))
    assert {group.name: group.visits for group in exact.groups} == {"isp.de": 100_000, "small.de": 3}
    assert isinstance(await vault.refusal("advertisers", "VisitorService.GetTrafficReport", asked(1)), InvalidArgument)
    coarse = await vault.call("advertisers", "VisitorService.GetTrafficReport", asked(7))
    assert [group.name for group in coarse.groups] == ["isp.de"]
    assert not coarse.exact


async def test_advertisers_reach_nothing_but_the_report(vault: OpenVault) -> None:
    """Whoever it is meant for can do it, and does it for that purpose.

    The policy says: "Internet advertising companies may require this data to help us better target our
    advertisements"
    """
    await vault.create()
    roles = frozenset({"advertisers"})
    own = {name for name in POLICY.methods if POLICY.may_call(name, roles)}
    everyone = {name for name, rule in POLICY.methods.items() if rule.roles == frozenset(POLICY.roles)}
    assert own - everyone == {"VisitorService.GetTrafficReport"}
    assert not any(POLICY.readable(purpose) for purpose in POLICY.purposes_of(roles))


async def test_an_order_form_goes_to_sales_and_has_no_payment(vault: OpenVault) -> None:
    """What the form asks for is recorded, sent, followed by sales and by nobody else; the card goes to billing alone.

    The policy says: "a cookie on the landing page of products sold online which record the customer information that
    is required on the order form, and then forward this information to our internal sales tracking database."
    """
    values = {"name": "Ann Example", "product": "fibre-100"}
    saving = orders.SaveOrderFormRequest(visitor_id=COOKIE, form=records.FormFields(values=values))
    await vault.call("storefront", "OrderService.SaveOrderForm", saving)
    sending = orders.SubmitOrderRequest(
        visitor_id=COOKIE, customer_id="42", order_id="one", contact=contact(), cards=[card()]
    )
    made = await vault.call("storefront", "OrderService.SubmitOrder", sending)
    watching = orders.WatchOrdersRequest(stop_when_caught_up=True)
    told, end = await vault.call("sales", "OrderService.WatchOrders", watching)
    assert end.caught_up
    assert (told.order.record_name, dict(told.order.form.values)) == (made.order_name, values)
    for role in ("billing", "partners", "advertisers", "analytics"):
        with pytest.raises(PermissionDenied):
            await vault.call(role, "OrderService.WatchOrders", watching)
    # Payment is neither in the form nor within the purpose, and sales reaches the card by no other way.
    kept = orders.SaveOrderFormRequest(visitor_id=OTHER, form=records.FormFields(values={"card_number": "4111"}))
    assert isinstance(await vault.refusal("storefront", "OrderService.SaveOrderForm", kept), InvalidArgument)
    assert not any(name.startswith("payment.") for name in POLICY.readable("order_tracking"))
    (card_name,) = [name for name in made.record_names if "/cards/" in name]
    reading = payments.GetCardRequest(record_name=card_name, purpose="order_tracking")
    for role in ("sales", "billing"):
        assert isinstance(await vault.refusal(role, "PaymentService.GetCard", reading), PermissionDenied)
    assert (await vault.get_card(card_name)).sealed


async def test_a_form_that_is_not_sent_ends_by_itself(vault: OpenVault) -> None:
    """Only "the customer information that is required on the order form" is recorded, and only until the next day."""
    assert POLICY.retention.order_forms.text == "24h"
    assert POLICY.readable("order_tracking") == {"order.form"}
    values = records.FormFields(values={"name": "Ann Example"})
    saving = orders.SaveOrderFormRequest(visitor_id=COOKIE, form=values)
    await vault.call("storefront", "OrderService.SaveOrderForm", saving)
    vault.now_shift = 24 * 3_600_000 + 1000
    sending = orders.SubmitOrderRequest(visitor_id=COOKIE, customer_id="42", order_id="one", contact=contact())
    refused = await vault.refusal("storefront", "OrderService.SubmitOrder", sending)
    assert isinstance(refused, (NotFound, PermissionDenied))
