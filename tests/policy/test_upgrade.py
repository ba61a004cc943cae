"""A policy file from before the whole privacy policy was served: what it lacks is named, and the documents have it."""

import re
from pathlib import Path

import pytest

from vault.errors import ConfigError
from vault.policy.load import DEFAULT, parse

TABLES = ('fields."account.history"', "methods.RetentionService", "retention", "order_form", "traffic", "mail")
"""Of the policy that is shipped, those that came later."""
DOC = Path(__file__).parents[2] / "docs" / "production.md"


def without(text: str, table: str) -> str:
    """A policy without one of its tables."""
    left, count = re.subn(rf"^\[{re.escape(table)}\]\n.*?(?=^\[|\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    assert count == 1, table
    return left


def without_line(text: str, key: str) -> str:
    """A policy without one of its lines."""
    left, count = re.subn(rf"^{key} *=.*\n", "", text, flags=re.MULTILINE)
    assert count == 1, key
    return left


def shipped() -> str:
    """The shipped policy's text."""
    return DEFAULT.read_text(encoding="utf-8")


def from_before() -> str:
    """A policy without all that came later."""
    text = without_line(shipped(), "ReportAccess")
    for table in TABLES:
        text = without(text, table)
    return text


def blocks() -> list[str]:
    """What the documents tell to add: a line of AuditService's, and the tables."""
    section = DOC.read_text(encoding="utf-8").partition("### A policy file from before")[2].partition("\n## ")[0]
    return re.findall(r"^```toml\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("table", ['fields."account.history"', "retention"])
def test_a_table_that_is_missing_is_named(table: str) -> None:
    """With the path that its author would write."""
    with pytest.raises(ConfigError, match=re.escape(f"{table}: is missing")):
        parse(without(shipped(), table), "policy.toml")


@pytest.mark.parametrize("kind", ["customer_logs", "order_forms", "preferences", "messages", "visits"])
def test_a_duration_that_is_missing_is_named(kind: str) -> None:
    """Each by itself, since they came one after the other."""
    with pytest.raises(ConfigError, match=f"retention.{kind}: is missing"):
        parse(without_line(shipped(), kind), "policy.toml")


def test_a_method_that_nobody_was_given_is_named() -> None:
    """One of a service that is new, and one that is new in its service."""
    with pytest.raises(ConfigError, match=re.escape("methods.RetentionService.RunRetention: is missing")):
        parse(without(shipped(), "methods.RetentionService"), "policy.toml")
    with pytest.raises(ConfigError, match=re.escape("methods.AuditService.ReportAccess: is missing")):
        parse(without_line(shipped(), "ReportAccess"), "policy.toml")


@pytest.mark.parametrize("table", ["order_form", "traffic", "mail"])
def test_a_table_that_may_be_left_out_is_not_asked_for(table: str) -> None:
    """A start asks for promises; these three have answers that promise no less."""
    assert parse(without(shipped(), table), "policy.toml").purposes


def test_with_what_the_documents_say_a_policy_from_before_is_whole() -> None:
    """The line in its table, the tables at the end; without them it is refused."""
    old = from_before()
    with pytest.raises(ConfigError):
        parse(old, "policy.toml")
    line, tables = blocks()
    audit = "[methods.AuditService]\n"
    assert audit in old
    policy = parse(old.replace(audit, audit + line) + tables, "policy.toml")
    assert policy.retention == parse(shipped(), "policy.toml").retention
    assert policy.order_form <= parse(shipped(), "policy.toml").order_form
    assert policy.traffic == parse(shipped(), "policy.toml").traffic
    assert policy.mail_on_erasure == parse(shipped(), "policy.toml").mail_on_erasure
