"""What is kept of a visit: a domain, an hour, a path; and whatever is sent, nothing that tells who it was."""

import ipaddress
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vault.domain.pan import is_pan_like
from vault.domain.visits import AHEAD_HOURS, HOUR_MS, OLDEST_HOURS, UNRESOLVED, domain_of, hour_of, page_of
from vault.errors import InvalidArgument

NOW = 1_790_000_000_000
ANYTHING = st.text(max_size=300) | st.from_regex(r"(/[ -~]{0,30}){1,12}", fullmatch=True)
E_MAIL = re.compile(r"[^/\s]@[^/\s]|%40")


@pytest.mark.parametrize(
    ("host", "kept"),
    [
        ("p5b0a1234.dip0.t-ipconnect.de", "t-ipconnect.de"),
        ("PC7.Example.CO.UK.", "example.co.uk"),
        ("anns-home.dyndns.org", "dyndns.org"),
        ("10086.cn", "10086.cn"),
        *((host, UNRESOLVED) for host in ("", "localhost", "co.uk", "nas.local", "x" * 300 + ".de", "ann@example.org")),
        *((host, UNRESOLVED) for host in ("192.0.2.7", "2001:db8::7", "[2001:db8::7]", "192-0-2-7.com")),
        *((host, UNRESOLVED) for host in ("4111111111111111.com", "49228123456.net", f"{'a' * 41}.org", "münchen.de")),
    ],
)
def test_a_host_becomes_its_registrable_domain_or_nothing(host: str, kept: str) -> None:
    """A domain that a registry gave out; never an address, and never a name below somebody who lends names."""
    assert domain_of(host) == kept


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/", "/"),
        ("/products/fiber.html?q=ann#top", "/products/fiber.html"),
        ("/cart;jsessionid=0A1B2C", "/cart"),
        ("/a%3Femail=ann", "/a"),
        ("//a/", None),
        ("http://elsewhere.example/page", None),
        ("*", None),
        ("/%ff", None),
        ("/a%00b", None),
        ("/" + "a" * 5000, None),
        ("/reset/ann@example.org/now", "/reset/*/now"),
        ("/reset/ann%40example.org", "/reset/*"),
        ("/reset/ann%2540example.org", "/reset/*"),
        ("/orders/83749823/view", "/orders/*/view"),
        ("/from/192.0.2.7", "/from/*"),
        ("/from/1.1.1.1", "/from/*"),
        ("/pay/4111-1111-1111-1111", "/pay/*"),
        ("/pay/4111/1111/1111/1111", "/pay/*/*/*/*"),
        ("/t/dGhpcyBpcyBhIHNlY3JldA", "/t/*"),
        ("/t/a8f3b2c9", "/t/*"),
        ("/2026/11/23/news-of-today", "/2026/11/23/news-of-today"),
        ("/%C3%BCber-uns", "/über-uns"),
        ("/OnlineShopMainPage", "/OnlineShopMainPage"),
        ("/reset/QxZkLmNoPqRsTuVwXy", "/reset/*"),
        ("/reset/aBcDeFgH", "/reset/*"),
        ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/*"),
    ],
)
def test_a_target_becomes_a_path_without_what_tells_who(target: str, kept: str | None) -> None:
    """Queries and parameters go; addresses, numbers and tokens become a star; other sites' pages are refused."""
    if kept is not None:
        assert page_of(target) == kept
        return
    with pytest.raises(InvalidArgument) as refused:
        page_of(target)
    assert target not in str(refused.value)


@given(ANYTHING)
@example("/0000/0000/000")
@example("/\U0001d7d8" * 9)
@example("/\u0430@b")
def test_no_page_holds_an_address_a_card_number_or_a_long_number(target: str) -> None:
    """Of any garbage: a bounded path without a query, that stays as it is when it is reduced again."""
    try:
        page = page_of(target)
    except InvalidArgument:
        return
    assert page.startswith("/")
    assert page.isprintable()
    assert len(page) <= 162
    assert not set("?#;@%") & set(page)
    assert not E_MAIL.search(page)
    assert not is_pan_like(page)
    assert sum(c.isnumeric() for c in page) <= 10
    assert page_of(page) == page


@given(st.text(max_size=300) | st.from_regex(r"[a-z0-9.-]{1,60}\.(de|com|co\.uk)", fullmatch=True))
def test_no_domain_holds_an_address_or_a_long_number(host: str) -> None:
    """Of any garbage: `unresolved`, or a name of two labels or more."""
    domain = domain_of(host)
    if domain != UNRESOLVED:
        assert "." in domain
        assert "@" not in domain
        assert sum(c.isnumeric() for c in domain) <= 7
        assert domain_of(domain) == domain


@given(st.ip_addresses())
def test_no_address_is_kept(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """As a host, and in a path."""
    assert domain_of(str(address)) == UNRESOLVED
    assert str(address) not in page_of(f"/from/{address}")


@pytest.mark.parametrize("ago", [-AHEAD_HOURS, 0, OLDEST_HOURS])
def test_a_time_becomes_its_hour(ago: int) -> None:
    """Within what is kept."""
    assert hour_of(NOW - ago * HOUR_MS, NOW) == NOW // HOUR_MS - ago


@pytest.mark.parametrize("ago", [-AHEAD_HOURS - 1, OLDEST_HOURS + 1])
def test_another_time_is_refused(ago: int) -> None:
    """Else whoever makes up hours could fill a disk."""
    with pytest.raises(InvalidArgument, match=r"^time: "):
        hour_of(NOW - ago * HOUR_MS, NOW)
