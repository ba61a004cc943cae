"""The commands on a vault that runs, each with the certificate of a role that may, and of one that may not."""

import json
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.cli.sheets import row, text, write
from tests.running import COMMAND, RunningVault, command, make_home, new_id, serving
from vault.cli.frame import root

NUMBER = "4111111111111111"
CARD = json.dumps({"card_number": NUMBER, "expiry": "12/2040", "holder_name": "Ada Lovelace"})
CLAUSE = "We use payment information for payment processing purposes only."


def here(vault: RunningVault, *args: str, stdin: str = "", code: int = 0) -> Result:
    """`customer-vault ARGS` in this process, which is ten times as quick; the server is another one all the same."""
    result = CliRunner().invoke(root, args, input=stdin, env={"CUSTOMER_VAULT_HOME": str(vault.home)})
    assert result.exit_code == code, result.output
    return result


def here_json(vault: RunningVault, *args: str, stdin: str = "", code: int = 0) -> Any:
    """The same with --json: what it printed."""
    return json.loads(here(vault, *args, "--json", stdin=stdin, code=code).stdout)


def create(vault: RunningVault, *args: str, card: bool = True) -> str:
    """A customer with a contact and mostly a card; its id."""
    customer = new_id()
    contact = ("--name", "Ada Lovelace", "--country-code", "GB", "--phone", "+44 20 7946 0018")
    extra = ("--card-file", "-") if card else ()
    here(vault, "customer", "create", "--id", customer, *contact, *extra, *args, stdin=CARD)
    return customer


def card_of(vault: RunningVault, customer: str) -> str:
    """The name of its only card."""
    (found,) = here_json(vault, "card", "list", customer)["cards"]
    return str(found["record_name"])


def test_a_customer_is_created_shown_and_erased(running_vault: RunningVault) -> None:
    """The officer sees names and times; after the erasure there is nothing, and the id stays used."""
    customer = create(running_vault)
    shown = here_json(running_vault, "customer", "show", customer)
    assert shown["customer_id"] == customer
    assert shown["create_time"]
    card, contact = sorted(shown["record_names"])
    assert contact == f"customers/{customer}/contact"
    assert card.startswith(f"customers/{customer}/cards/")
    receipt = here_json(running_vault, "customer", "erase", customer, "--yes")
    assert receipt["keys_destroyed"] == 3
    assert receipt["records_removed"] == 3
    assert receipt["horizon_time"] is None  # no date: nothing keeps one
    assert "last key-store backup" in receipt["horizon"]
    here(running_vault, "customer", "show", customer, code=1)
    again = here(running_vault, "customer", "create", "--id", customer, code=1)
    assert "never used again" in again.stderr


def test_an_erasure_asks_first(running_vault: RunningVault) -> None:
    """There is no way back."""
    customer = create(running_vault, card=False)
    here(running_vault, "customer", "erase", customer, stdin="n\n", code=1)
    here(running_vault, "customer", "show", customer)
    assert "erased" in here(running_vault, "customer", "erase", customer, stdin="y\n").stdout


def test_an_id_is_made_if_none_is_chosen(running_vault: RunningVault) -> None:
    """And told."""
    made = here_json(running_vault, "customer", "create", "--name", "Ada")
    assert here_json(running_vault, "contact", "show", made["customer_id"])["name"] == "Ada"


def test_provisioning_reads_a_contact_and_billing_its_address(running_vault: RunningVault) -> None:
    """Billing gets neither phone nor e-mail, and opens what it gets itself."""
    customer = create(running_vault)
    contact = here_json(running_vault, "contact", "show", customer)
    assert (contact["name"], contact["phone"]) == ("Ada Lovelace", "+442079460018")
    address = here_json(running_vault, "contact", "show", customer, "--as", "billing")
    assert address["country_code"] == "GB"
    assert "phone" not in address
    assert "name          Ada Lovelace\n" in here(running_vault, "contact", "show", customer, "--as", "care").stdout


def test_billing_sees_brand_and_last_four_and_all_if_it_asks(running_vault: RunningVault) -> None:
    """What is not asked for is not read either."""
    name = card_of(running_vault, create(running_vault))
    masked = here(running_vault, "card", "show", name).stdout
    assert "visa" in masked
    assert "1111" in masked
    assert NUMBER not in masked
    assert "Ada" not in masked
    revealed = here_json(running_vault, "card", "show", name, "--reveal")
    assert (revealed["card_number"], revealed["expiry"], revealed["holder_name"]) == (NUMBER, "12/2040", "Ada Lovelace")


@pytest.mark.parametrize("role", ["provisioning", "care", "storefront", "officer", "operator", "auditor", "mail"])
def test_no_other_role_reads_a_card(running_vault: RunningVault, role: str) -> None:
    """It really asks, and is really refused, with the clause."""
    name = card_of(running_vault, create(running_vault))
    refused = here(running_vault, "card", "show", name, "--reveal", "--as", role, code=1)
    assert f"clause: {CLAUSE}\n" in refused.stderr
    assert refused.stdout == ""
    assert NUMBER not in refused.stderr
    found = json.loads(here(running_vault, "card", "show", name, "--as", role, "--json", code=1).stderr)["error"]
    assert (found["kind"], found["reason"], found["clause"]) == ("PermissionDenied", "METHOD_NOT_ALLOWED", CLAUSE)


def test_provisioning_learns_that_there_is_a_card_and_no_more(running_vault: RunningVault) -> None:
    """Names and times."""
    customer = create(running_vault)
    (found,) = here_json(running_vault, "card", "list", customer, "--as", "provisioning")["cards"]
    assert found["record_name"] == card_of(running_vault, customer)
    assert (found["brand"], found["last_four"]) == ("", "")


def test_a_wrong_field_is_named_and_its_value_is_not(running_vault: RunningVault) -> None:
    """By the vault for contacts, here for cards, which the vault cannot see."""
    refused = here(running_vault, "customer", "create", "--country-code", "XC", "--name", "Ada", code=1)
    assert "contact.country_code: must be an ISO 3166-1 alpha-2 country code" in refused.stderr
    assert "XC" not in refused.stderr
    wrong = CARD.replace(NUMBER, "4111111111111112")
    refused = here(running_vault, "customer", "create", "--card-file", "-", stdin=wrong, code=1)
    assert "cards[0].card_number: must have a right check digit" in refused.stderr
    assert "4111" not in refused.stderr


def test_the_operator_lists_keys(running_vault: RunningVault) -> None:
    """Versions, states, custody; the log's key is the pinned one."""
    keys = here_json(running_vault, "keys", "list")
    custody = {key["purpose"]: key["custody"] for key in keys["purpose_keys"]}
    assert custody["payment_processing"] == "caller"
    assert custody["service_provisioning"] == "vault"
    assert {key["state"] for key in keys["purpose_keys"]} == {"active"}
    pins = json.loads((running_vault.home / "pins.json").read_text())
    assert {key["origin"]: key["public_key"] for key in keys["log_keys"]} == pins["logs"]
    assert keys["vault_id"] == pins["vault_id"]
    assert "payment_processing" in here(running_vault, "keys", "list").stdout


def test_the_auditor_sees_who_did_what_and_no_customer(running_vault: RunningVault) -> None:
    """The newest entries, the denial among them."""
    customer = create(running_vault)
    here(running_vault, "card", "show", card_of(running_vault, customer), "--as", "care", code=1)
    lines = here(running_vault, "audit", "tail", "-n", "5", "--json").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    assert len(entries) == 5
    assert [e["index"] for e in entries] == list(range(entries[0]["index"], entries[0]["index"] + 5))
    denied = next(e for e in entries if e["outcome"] == "DENIED")
    assert denied["caller"] == "spiffe://vault.example/care"
    assert denied["action"] == "PaymentService.GetCard"
    assert customer not in "".join(lines)
    assert "denied (METHOD_NOT_ALLOWED) vault.example/care" in here(running_vault, "audit", "tail", "-n", "9").stdout


def test_the_server_explains_its_policy(running_vault: RunningVault) -> None:
    """The same answer as from the file."""
    question = ("policy", "explain", "--caller", "provisioning", "--field", "payment.card_number")
    purpose = ("--purpose", "payment_processing")
    asked = here_json(running_vault, *question, *purpose, "--server", code=1)
    assert asked == here_json(running_vault, *question, *purpose, code=1)


def test_doctor_is_content_with_a_fresh_vault(running_vault: RunningVault) -> None:
    """Beside the server, which it asks about its keys."""
    found = here_json(running_vault, "doctor", str(running_vault.home))
    assert found["ok"], found
    assert {"keys", "certificates", "file modes", "pins"} <= {each["check"] for each in found["findings"]}
    assert {each["state"] for each in found["findings"] if each["check"] != "disk"} == {"ok"}


def test_the_log_of_a_running_vault_verifies(running_vault: RunningVault) -> None:
    """While it is written."""
    create(running_vault)
    found = here_json(running_vault, "audit", "verify", str(running_vault.home))
    assert found["ok"], found
    assert found["logs"][0]["entries"] > 1


def test_a_table_is_imported_but_for_its_bad_row(running_vault: RunningVault, tmp_path: Path) -> None:
    """Exit code 3, line and column; repeated, it changes nothing; corrected, it is complete."""
    prefix = new_id()
    rows = [row(n, customer_id=f"{prefix}-{n}") for n in range(230)]
    rows[117]["country_code"] = "XC"
    table = write(tmp_path / "customers.csv", text(rows))
    done = here(running_vault, "import", str(table), code=3)
    assert "stored 229 of 230 rows, refused 1\n" in done.stdout
    assert "line 119  country_code  must be an ISO 3166-1 alpha-2 country code\n" in done.stdout
    assert "XC" not in done.stdout + done.stderr
    assert here_json(running_vault, "contact", "show", f"{prefix}-42")["street"] == "Lange Straße 42"
    (card,) = here_json(running_vault, "card", "list", f"{prefix}-42")["cards"]
    assert (card["brand"], card["last_four"]) == ("visa", "1111")
    again = here_json(running_vault, "import", str(table), code=3)
    assert (again["stored"], again["already_there"], len(again["refused"])) == (0, 229, 1)
    rows[117]["country_code"] = "CY"
    corrected = here_json(running_vault, "import", str(write(table, text(rows))))
    assert corrected == {"rows": 230, "stored": 1, "already_there": 229, "refused": []}
    assert [path.name for path in tmp_path.iterdir()] == ["customers.csv"]


def test_a_caller_that_is_not_there_is_named_with_those_that_are(running_vault: RunningVault) -> None:
    """Nothing of a path is taken from --as."""
    for role in ("nobody", "../../etc", ""):
        refused = here(running_vault, "customer", "show", "42", "--as", role or "-", code=2)
        assert "there are: advertisers, alice, analytics" in refused.stderr


def test_without_a_vault_the_way_to_make_one_is_told(tmp_path: Path) -> None:
    """The first thing that somebody types may be anything."""
    refused = command("customer", "show", "42", code=2, cwd=tmp_path)
    assert "customer-vault init" in refused.stderr
    refused = command("serve", code=2, cwd=tmp_path)
    assert "vault.toml: cannot be read" in refused.stderr


def test_a_server_that_stops_is_waited_for_in_vain_and_said_so(tmp_path: Path) -> None:
    """One line and the next step, from a single call and from an import, which keeps where it stopped."""
    with serving(make_home(tmp_path)) as vault:
        vault.run("customer", "create", "--id", "42")
    table = write(tmp_path / "customers.csv", text(row(n) for n in range(500)))
    for args in (("customer", "show", "42"), ("import", str(table))):
        refused = vault.run(*args, code=1)
        assert [line.partition(":")[0] for line in refused.stderr.splitlines()] == ["error", "next"]
        assert "serve DIR" in refused.stderr
    assert (tmp_path / "customers.csv.import.json").is_file()
    assert vault.json("doctor", str(vault.home))["ok"]
    with serving(vault.home):
        assert vault.json("import", str(table))["stored"] == 500
    assert not (tmp_path / "customers.csv.import.json").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_is_killed_goes_on(running_vault: RunningVault, tmp_path: Path, how: signal.Signals) -> None:
    """At any moment; no row is lost and none is stored twice."""
    prefix = new_id()
    table = write(tmp_path / "customers.csv", text(row(n, customer_id=f"{prefix}-{n}") for n in range(2000)))
    state = tmp_path / "customers.csv.import.json"
    with subprocess.Popen(
        [*COMMAND, "import", str(table), "--home", str(running_vault.home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not (state.is_file() and json.loads(state.read_text())["done"]):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    kept = json.loads(state.read_text())["stored"]
    assert 0 < kept < 2000
    done = running_vault.json("import", str(table))
    assert done["stored"] + done["already_there"] == 2000
    assert done["stored"] >= kept
    assert not state.exists()


def test_an_address_in_use_is_a_configuration_error(tmp_path: Path) -> None:
    """Two vaults of the defaults on one machine."""
    home = make_home(tmp_path)
    port = int((home / "vault.toml").read_text().partition("127.0.0.1:")[2].partition('"')[0])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        refused = command("serve", str(home), code=2)
    assert "server.listen" in refused.stderr


def test_a_vault_under_a_passphrase_starts_with_it_and_not_without(tmp_path: Path) -> None:
    """What `init` and the server make of the file must be the same."""
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    phrase.chmod(0o600)
    home = make_home(tmp_path, "--passphrase-file", str(phrase))
    with serving(home) as vault:
        vault.run("customer", "create", "--id", "42")
    phrase.write_text("wrong\n")
    refused = command("serve", str(home), code=2)
    assert "does not open the vault key" in refused.stderr
