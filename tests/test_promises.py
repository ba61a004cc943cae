"""docs/promises.md has a row for every sentence of the published policy, and each test that it names quotes it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/promises.md").read_text()
HEADINGS = ("Visitors To Our Web Site", "Quality Communications Customers")
NOT_HERE = "Not enforceable here, because "
SHORTEST = 20
"""Characters of a quotation that is one."""


def sentences() -> list[str]:
    """Of the published text, as given; its two headings are those of the page."""
    text = " ".join((ROOT / "tests/policy/privacy_policy.txt").read_text().split())
    found = [each.strip() for each in re.findall(r"[^.?]+[.?]", text)]
    assert " ".join(found) == text
    for heading in HEADINGS:
        found = [each.removeprefix(f"{heading} ") for each in found]
        assert f"## {heading}\n" in PAGE
    return found


def rows() -> list[tuple[str, str, list[str]]]:
    """(sentence, what holds it, tests) of each row, in the order of the page."""
    found = []
    for line in PAGE.splitlines():
        if line.startswith('| "'):
            sentence, rule, tests = [cell.strip() for cell in line.strip("|").split(" | ")]
            found.append((sentence.strip('"'), rule, tests.rstrip(" |").split()))
    return found


ROWS = rows()
NAMED = [(sentence, test) for sentence, _, tests in ROWS for test in tests]


def docstring(test: str) -> str:
    """Of a test that is named as `tests/…/test_x.py::test_y`, in one line."""
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    (function,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name
    ]
    return " ".join((ast.get_docstring(function) or "").split())


def test_every_sentence_has_its_row_in_order() -> None:
    """Word for word, none left out and none added."""
    assert [sentence for sentence, _, _ in ROWS] == sentences()


def test_every_row_has_a_test_or_says_why_it_has_none() -> None:
    """A rule that nothing tests is a wish."""
    for sentence, rule, tests in ROWS:
        if rule == "A heading.":
            assert sentence.endswith("?")
        else:
            assert bool(tests) != rule.startswith(NOT_HERE), sentence


@pytest.mark.parametrize(("sentence", "test"), NAMED, ids=[test for _, test in NAMED])
def test_a_named_test_exists_and_quotes_the_sentence(sentence: str, test: str) -> None:
    """In its docstring, so that who breaks it reads which promise it was."""
    quotes = [part for part in docstring(test).split('"')[1::2] if len(part) >= SHORTEST]
    assert any(quote in sentence for quote in quotes), docstring(test)
