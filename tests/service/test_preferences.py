"""Preferences of visitors: kept under a cookie, given to who shows it, forgotten in time."""

import sqlite3
import time
from typing import Any

import pytest

from tests.vaults import OpenVault, new_request_id
from vault.audit.entry import parse
from vault.errors import InvalidArgument, NotFound, PermissionDenied
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import customer_service_pb2 as customers
from vault.v1 import records_pb2 as records
from vault.v1 import visitor_service_pb2 as v1

SAVE, GET = "VisitorService.SavePreferences", "VisitorService.GetPreferences"
COOKIE = "0123456789abcdef0123456789abcdef"
OTHER = "f" * 31 + "e"
DAY_MS = 24 * 3_600_000


def saving(visitor: str = COOKIE, request_id: str = "", **values: str) -> v1.SavePreferencesRequest:
    """A request."""
    fields = records.FormFields(values=values or {"theme": "dark"})
    return v1.SavePreferencesRequest(visitor_id=visitor, preferences=fields, request_id=request_id)


async def save(vault: OpenVault, visitor: str = COOKIE, **more: Any) -> v1.SavePreferencesResponse:
    """As the storefront."""
    answer: v1.SavePreferencesResponse = await vault.call("storefront", SAVE, saving(visitor, **more))
    return answer


async def get(vault: OpenVault, visitor: str = COOKIE) -> dict[str, str]:
    """As the storefront."""
    answer: v1.GetPreferencesResponse = await vault.call("storefront", GET, asking(visitor))
    return dict(answer.preferences.preferences.values)


def asking(visitor: str = COOKIE, purpose: str = "") -> v1.GetPreferencesRequest:
    """A request."""
    return v1.GetPreferencesRequest(visitor_id=visitor, purpose=purpose)


async def test_preferences_are_kept_under_their_cookie(vault: OpenVault) -> None:
    """And another cookie has others."""
    await save(vault, theme="dark", sort="price")
    await save(vault, OTHER, theme="light")
    assert await get(vault) == {"theme": "dark", "sort": "price"}
    assert await get(vault, OTHER) == {"theme": "light"}


async def test_a_save_replaces_all_of_them(vault: OpenVault) -> None:
    """What is not named is forgotten; an empty set is one, too."""
    await save(vault, theme="dark", sort="price")
    await save(vault, theme="light")
    assert await get(vault) == {"theme": "light"}
    request = v1.SavePreferencesRequest(visitor_id=COOKIE, preferences=records.FormFields())
    await vault.call("storefront", SAVE, request)
    assert await get(vault) == {}


async def test_the_vault_makes_a_cookie_for_who_has_none(vault: OpenVault) -> None:
    """Sixteen random bytes, each time others."""
    made = {(await save(vault, "", theme=f"t{at}")).visitor_id for at in range(3)}
    assert len(made) == 3
    assert all(len(visitor) == 32 and int(visitor, 16) for visitor in made)
    assert sorted([(await get(vault, visitor))["theme"] for visitor in made]) == ["t0", "t1", "t2"]


async def test_a_request_id_has_one_effect(vault: OpenVault) -> None:
    """Repeated it names the same new cookie."""
    request_id = new_request_id()
    assert await save(vault, "", request_id=request_id) == await save(vault, "", request_id=request_id)


async def test_they_are_forgotten_in_the_policys_time(vault: OpenVault) -> None:
    """Thirteen months from the last save; each save begins anew, also one that comes too late."""
    ends = (await save(vault)).expire_time.ToMilliseconds()
    kept = vault.parts.policy.retention.preferences
    assert abs(ends - kept.after(time.time_ns() // 1_000_000)) < 60_000
    vault.now_shift = 200 * DAY_MS
    assert (await save(vault, theme="light")).expire_time.ToMilliseconds() > ends + 100 * DAY_MS
    vault.now_shift = 500 * DAY_MS
    assert await get(vault) == {"theme": "light"}
    vault.now_shift = 620 * DAY_MS
    assert isinstance(await vault.refusal("storefront", GET, asking()), NotFound)
    await save(vault, theme="again")
    assert await get(vault) == {"theme": "again"}
    swept = await vault.parts.retention.sweep(time.time_ns() // 1_000_000 + 620 * DAY_MS)
    assert swept.removed == 0
    swept = await vault.parts.retention.sweep(time.time_ns() // 1_000_000 + 1200 * DAY_MS)
    assert swept.removed == 1


async def test_an_unknown_cookie_has_none(vault: OpenVault) -> None:
    """Nothing is there, which is in the log like any read."""
    assert isinstance(await vault.refusal("storefront", GET, asking()), NotFound)
    assert parse((await vault.entries())[-1]).action == GET


@pytest.mark.parametrize("role", ["care", "provisioning", "analytics", "advertisers", "partners", "sales", "officer"])
async def test_no_other_role_saves_or_reads_them(vault: OpenVault, role: str) -> None:
    """A site's preferences are the site's: no desk looks at them, and no advertiser."""
    await save(vault)
    assert isinstance(await vault.refusal(role, SAVE, saving()), PermissionDenied)
    assert isinstance(await vault.refusal(role, GET, asking()), PermissionDenied)


async def test_no_other_purpose_reads_them(vault: OpenVault) -> None:
    """Not even one that is named by who may."""
    await save(vault)
    for purpose in ("account_service", "partner_offers", "traffic_analysis", "no_such_purpose"):
        assert isinstance(await vault.refusal("storefront", GET, asking(purpose=purpose)), PermissionDenied)
    assert (await vault.call("storefront", GET, asking(purpose="site_personalization"))).preferences.etag


@pytest.mark.parametrize(
    "visitor", ["42", "ann@example.org", "4111111111111111", COOKIE.upper(), COOKIE[:-1], f"{COOKIE}/x", "203.0.113.9"]
)
async def test_only_a_random_cookie_is_one(vault: OpenVault, visitor: str) -> None:
    """Neither a customer's id nor an address: to save under, and to ask for."""
    for method, request in ((SAVE, saving(visitor)), (GET, asking(visitor))):
        error = await vault.refusal("storefront", method, request)
        assert isinstance(error, InvalidArgument)
        assert error.field == "visitor_id"
        assert visitor not in str(error)


async def test_a_customers_id_is_refused_wherever_it_stands(vault: OpenVault) -> None:
    """In the place of the cookie's, where it happens to look like one, and inside of a value."""
    await vault.create(COOKIE)
    await vault.create("anna-b-1977")
    for request, field in (
        (saving(COOKIE), "visitor_id"),
        (saving(OTHER, last="see anna-b-1977!"), "preferences.values"),
        (saving(OTHER, last=COOKIE), "preferences.values"),
    ):
        error = await vault.refusal("storefront", SAVE, request)
        assert isinstance(error, InvalidArgument)
        assert error.field == field
        assert "1977" not in str(error)
    assert not await stored(vault)


async def test_what_says_who_it_is_is_refused_and_not_stored(vault: OpenVault) -> None:
    """The rules are asked before anything is kept."""
    for values in ({"email": "x"}, {"news": "ann@example.org"}, {"pay": "4111111111111111"}):
        assert isinstance(await vault.refusal("storefront", SAVE, saving(**values)), InvalidArgument)
    assert not await stored(vault)


async def stored(vault: OpenVault) -> list[str]:
    """Names of visitors' records in the file."""
    with sqlite3.connect(f"file:{vault.home / 'data' / 'vault.db'}?mode=ro", uri=True) as store:
        found = store.execute("SELECT record_name FROM records WHERE owner LIKE 'visitors/%'").fetchall()
    return [name for (name,) in found]


async def test_nothing_joins_a_visitor_with_a_customer_or_a_visit(vault: OpenVault) -> None:
    """One record under the cookie alone, no search token, and another pseudonym in each entry of the log."""
    await vault.create()
    await save(vault, theme="verydark")
    await get(vault)
    await get(vault)
    assert await stored(vault) == [f"visitors/{COOKIE}/preferences"]
    with sqlite3.connect(f"file:{vault.home / 'keys' / 'keys.db'}?mode=ro", uri=True) as store:
        assert store.execute("SELECT count(*) FROM lookups WHERE owner LIKE 'visitors/%'").fetchone() == (0,)
    entries = [parse(entry) for entry in (await vault.entries())]
    mine = [entry for entry in entries if entry.action in (SAVE, GET)]
    assert len({bytes(subject) for entry in mine for subject in entry.subjects}) == len(mine) == 3
    assert not [entry for entry in mine if COOKIE in str(entry)]
    assert b"verydark" not in b"".join(path.read_bytes() for path in (vault.home / "data").iterdir())


async def test_no_method_of_customers_reaches_a_visitor(vault: OpenVault) -> None:
    """A cookie is no customer id, whoever takes it for one."""
    await save(vault)
    asked = customers.GetCustomerRequest(customer_id=COOKIE)
    assert isinstance(await vault.refusal("care", "CustomerService.GetCustomer", asked), NotFound)
    contact = contacts.GetContactRequest(customer_id=COOKIE, purpose="account_service")
    assert isinstance(await vault.refusal("care", "ContactService.GetContact", contact), NotFound)
