"""A change of the policy in words, and whether it widens a promise."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.policy.policies import TEXT, added, changed
from vault.cli.frame import root
from vault.policy.diff import Change, changes
from vault.policy.load import parse

F1, F2, F3 = "1" * 64, "2" * 64, "3" * 64
CALLER = '[callers."spiffe://vault.example/care"]\nroles = ["care"]'
KEYS = "[keys.payment_processing]\ncurrent = "
LIMIT = "[limits.roles.legal]"


def diff(old: str, new: str) -> list[Change]:
    """The changes from one text to another."""
    return changes(parse(old, "old.toml"), parse(new, "new.toml"))


PHONE = changed('[fields."contact.phone"]', '"service_provisioning"', '"payment_processing", "service_provisioning"')
CONSENT = changed("[purposes.partner_offers]", 'condition = "consent"', 'condition = "objection"')
NEWS = changed("[purposes.product_news]", 'condition = "objection"', 'condition = "consent"')
ONCE = changed("[purposes.product_news]", 'condition = "objection"\n', "")
CARE = changed("[purposes.service_notices]", '["notices"]', '["notices", "care"]')
CALL = changed("[methods.PaymentService]", 'DeleteCard    = ["care"]', 'DeleteCard = ["care", "provisioning"]')
LOGS = changed("[retention]", '"13 months"  # after the month', '"2 years"  # after the month')
FASTER = changed(LIMIT, "records_per_second = 50\n", "records_per_second = 500\n")
CLAUSE = changed("[purposes.service_notices]", "Quality Communications may also", "We may also")
GROUPS = changed("[traffic]", "k = 20", "k = 5")
NOISE = changed("[traffic]", 'epsilon = "2"', 'epsilon = "4"')
EXACT = changed("[traffic]", '["analytics"]', '["analytics", "advertisers"]')
STATUS = changed('[fields."account.status"]', "clause", "caller_only = false\nclause")
MADE = changed("[purposes.legal_disclosure]", 'custody = "caller"', 'custody = "vault"')

# test id: old, new, words of one change, whether it widens.
CASES = {
    "a field for one more purpose": (TEXT, PHONE, "contact.phone may now be read for payment_processing.", True),
    "a field for one purpose less": (PHONE, TEXT, "contact.phone may no longer be read for payment_processing.", False),
    "consent becomes objection": (TEXT, CONSENT, "was consent and is now objection.", True),
    "objection becomes consent": (TEXT, NEWS, "was objection and is now consent.", False),
    "no condition any more": (TEXT, ONCE, "was objection and is now none.", True),
    "a role gets a purpose": (TEXT, CARE, "care may now read for service_notices: contact.city", True),
    "a role loses a purpose": (CARE, TEXT, "care may no longer read for service_notices", False),
    "a role gets a call": (TEXT, CALL, "provisioning may now call PaymentService.DeleteCard.", True),
    "kept longer": (TEXT, LOGS, "customer_logs were kept for 13 months and are now kept for 2 years.", True),
    "kept shorter": (LOGS, TEXT, "customer_logs were kept for 2 years and are now kept for 13 months.", False),
    "faster": (TEXT, FASTER, "The limit of the role legal, records per second: was 50, is 500.", True),
    "slower": (FASTER, TEXT, "The limit of the role legal, records per second: was 500, is 50.", False),
    "a limit taken away": (TEXT, TEXT.replace(f"{LIMIT}\nrecords_per_second = 50\n", f"{LIMIT}\n"), "is 5000.", True),
    "other words": (TEXT, CLAUSE, 'The clause of the purpose service_notices now says "We may', False),
    "the vault holds a key": (TEXT, MADE, "was held by the caller and is now held by the vault.", True),
    "a caller gets a role": (TEXT, added(CALLER), "spiffe://vault.example/care has now the role care.", True),
    "a caller goes": (added(CALLER), TEXT, "spiffe://vault.example/care has no longer the role care.", False),
    "smaller groups": (TEXT, GROUPS, "the smallest group (k) was 20 and is now 5.", True),
    "larger groups": (GROUPS, TEXT, "the smallest group (k) was 5 and is now 20.", False),
    "less noise": (TEXT, NOISE, "the privacy budget (epsilon) was 2 and is now 4.", True),
    "exact counts for one more": (TEXT, EXACT, "advertisers may now see exact counts", True),
    "a new key": (TEXT, added(f'{KEYS}"{F1}"'), "which was not pinned before.", True),
    "a key that was announced": (
        added(f'{KEYS}"{F1}"\nnext = "{F2}"'),
        added(f'{KEYS}"{F2}"'),
        "The current key of payment_processing is now 2222222222222222…, which was pinned before.",
        False,
    ),
    "a key that was not announced": (
        added(f'{KEYS}"{F1}"\nnext = "{F2}"'),
        added(f'{KEYS}"{F3}"\nnext = "{F2}"'),
        "which was not pinned before.",
        True,
    ),
    "a key goes": (added(f'{KEYS}"{F1}"'), TEXT, "The current key of payment_processing is no longer pinned.", False),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_said_and_judged(case: str) -> None:
    """In words, and by whether more may happen."""
    old, new, words, widens = CASES[case]
    (found,) = [change for change in diff(old, new) if words in change.text]
    assert found.widens is widens
    assert any(change.widens for change in diff(old, new)) is widens


def test_taking_the_lock_off_a_field_is_wider() -> None:
    """The vault could then be asked to open it."""
    new = changed('[fields."payment.brand"]', "caller_only = true\n", "")
    assert diff(TEXT, new) == [
        Change("payment.brand may now be sealed for purposes whose key the vault holds.", widens=True)
    ]
    assert [change.widens for change in diff(new, TEXT)] == [False]


def test_comments_and_order_are_no_change() -> None:
    """Nor is what says the default."""
    assert diff(TEXT, "# another comment\n" + TEXT) == []
    assert diff(TEXT, STATUS) == []


def test_a_role_that_goes_takes_all_it_could_with_it() -> None:
    """A name by itself widens nothing, and losing it narrows."""
    new = TEXT.replace('"analytics", "advertisers"', '"analytics"')
    new = "\n".join(line for line in new.split("\n") if not line.startswith("advertisers "))
    found = diff(TEXT, new)
    assert Change("There is no role advertisers any more.", widens=False) in found
    assert not any(change.widens for change in found)
    assert Change("There is a new role, advertisers.", widens=False) in diff(new, TEXT)


def run(tmp_path: Path, old: str, new: str, *args: str, code: int = 0) -> str:
    """`policy diff` of two files; what it printed."""
    (tmp_path / "old.toml").write_text(old)
    (tmp_path / "new.toml").write_text(new)
    result = CliRunner().invoke(root, ["policy", "diff", str(tmp_path / "old.toml"), str(tmp_path / "new.toml"), *args])
    assert result.exit_code == code, result.output
    return result.stdout


def test_a_widened_promise_stops_a_build(tmp_path: Path) -> None:
    """Exit code 1, and the line is marked by a word."""
    said = run(tmp_path, TEXT, PHONE, code=1)
    assert "WIDER  contact.phone may now be read for payment_processing.\n" in said
    assert said.endswith("changes widen a promise\n")
    assert json.loads(run(tmp_path, TEXT, PHONE, "--json", code=1))["widened"]


def test_a_narrowed_promise_does_not(tmp_path: Path) -> None:
    """Nor does no change; what is no policy is an error of its own."""
    assert "none of which widens a promise" in run(tmp_path, PHONE, TEXT)
    assert run(tmp_path, TEXT, TEXT) == "no rule changes\n"
    run(tmp_path, TEXT, "[roles]", code=2)
