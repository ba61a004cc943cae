"""The page that a privacy officer prints and signs: whole, alone, and to be read with keyboard and screen reader."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.browser import axe
from tests.policy.policies import TEXT, added
from vault.cli.frame import root
from vault.cli.papers.page import whole
from vault.policy import matrix
from vault.policy.load import parse

CALLER = "spiffe://vault.example/billing"
MINE = added(f'[callers."{CALLER}"]\nroles = ["billing"]\n[keys.payment_processing]\ncurrent = "{"ab" * 32}"')


def page(text: str = TEXT) -> str:
    """The page of a policy."""
    return whole(parse(text, "policy.toml"), "policy.toml", "2026-11-23")


class Outline(HTMLParser):
    """What a screen reader walks: elements with their attributes, ids, and the cells of each row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append(f"{tag} {dict(attrs).get('scope')}")

    def handle_data(self, data: str) -> None:
        """Note its text."""
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(" ".join(self.words).split())


def test_the_page_says_all_that_the_policy_allows() -> None:
    """Who, what for, by which clause, under which condition, kept how long; fields and calls as well."""
    policy = parse(TEXT, "policy.toml")
    said = Outline(page()).text
    for row in matrix.rows(policy):
        assert " ".join(row.clause.split()) in said
        assert all(word in said for word in (row.role, row.purpose, row.field, row.kept))
    assert all(method in said for method in policy.methods)
    assert "if the customer has agreed to it" in said
    assert policy.digest.hex() in said


def test_the_page_needs_nothing_beside_it() -> None:
    """No source, no script, and a content security policy that would refuse any."""
    outline = Outline(page())
    attributes = {name for _, found in outline.elements for name in found}
    assert not attributes & {"src", "srcset", "style", "onclick"}
    assert {name for name, _ in outline.elements}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert all(str(link["href"]).startswith("#") for link in outline.all("a"))
    assert "url(" not in page()
    assert "default-src 'none'" in page()


def test_every_table_can_be_walked_without_seeing_it() -> None:
    """A caption, a scope on each header, a header in each row, and a region that takes the focus."""
    outline = Outline(page(MINE))
    tables = len(outline.all("table"))
    assert tables == 6
    assert len(outline.all("caption")) == tables
    regions = [each for each in outline.all("div") if each.get("role") == "region"]
    assert len(regions) == tables
    captions = {each["id"] for each in outline.all("caption")}
    assert all(each["tabindex"] == "0" and each["aria-labelledby"] in captions for each in regions)
    heads = [row for row in outline.rows if set(row) == {"th col"}]
    assert len(heads) == tables
    assert all(row[0] == "th row" and set(row[1:]) == {"td None"} for row in outline.rows if row not in heads)


def test_the_page_has_landmarks_a_language_and_a_way_past_the_head() -> None:
    """The skip link is the first that takes the focus, and leads to the tables."""
    outline = Outline(page())
    assert outline.all("html")[0]["lang"] == "en"
    assert [len(outline.all(name)) for name in ("header", "nav", "main", "h1", "title")] == [1, 1, 1, 1, 1]
    first = outline.all("a")[0]
    assert (first["class"], first["href"]) == ("skip", f"#{outline.all('main')[0]['id']}")
    identities = [attributes["id"] for _, attributes in outline.elements if "id" in attributes]
    assert len(identities) == len(set(identities))
    assert {str(link["href"])[1:] for link in outline.all("a")} <= set(identities)


def test_the_page_is_made_for_paper() -> None:
    """Print rules, and lines to sign on, under the digest."""
    assert "@media print" in page()
    for line in ("Name:", "Position:", "Place and date:", "Signature:"):
        assert line in Outline(page()).text


def test_what_stands_in_the_file_is_text_on_the_page() -> None:
    """A description is no markup."""
    bad = TEXT.replace('sales        = "The internal', 'sales        = "<script>alert(1)</script> & The internal')
    assert bad != TEXT
    assert "<script>" not in page(bad)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; The internal" in page(bad)


def test_callers_and_keys_of_an_installation_stand_on_the_page() -> None:
    """And a file that has none says so."""
    assert CALLER in Outline(page(MINE)).text
    assert "ab" * 32 in page(MINE)
    assert "it belongs to no installation" in page()


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    """Beside what it prints."""
    policy, out = tmp_path / "policy.toml", tmp_path / "policy.html"
    policy.write_text(TEXT)
    result = CliRunner().invoke(root, ["policy", "check", str(policy), "--html", str(out)])
    assert result.exit_code == 0, result.output
    assert re.match(r"<!DOCTYPE html>\n<html lang=\"en\">", out.read_text())
    assert parse(TEXT, "x").digest.hex() in out.read_text()


@pytest.mark.needs("axe")
def test_axe_finds_nothing_in_a_real_browser(tmp_path: Path) -> None:
    """Not one violation, contrast and table headers among what it looked at."""
    found = axe(page(MINE), tmp_path)
    assert found["violations"] == []
    assert {"color-contrast", "document-title", "html-has-lang", "region", "skip-link"} <= set(found["passes"])
    assert {"scrollable-region-focusable", "landmark-one-main", "td-headers-attr"} & set(found["passes"])
