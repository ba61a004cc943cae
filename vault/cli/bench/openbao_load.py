"""A process: callers of OpenBao's transit engine, as a service would use it.

The ciphertexts stand in SQLite, in this process; a call fetches them and asks for all of them at once (`batch_input`),
over a connection that stays open. `http.client` and threads, one connection each: of what a Python service can use, it
spends the least on a request. Each value is bound to its record and field (`associated_data`), as the vault's are.
"""

import base64
import http.client
import json
import sys
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any, Final

from vault.cli.bench import people
from vault.cli.bench.child import say
from vault.cli.bench.openbao import KEY
from vault.storage.engine import sqlite3

CARD_FIELDS: Final = ("card_number", "expiry", "holder_name")
_FIELDS: Final = {"cards": CARD_FIELDS, "contact": people.CONTACT_FIELDS}
_RECORDS: Final = {"cards": 100, "contact": 1}
_AT_ONCE: Final = 100
_OK: Final = 200


class Caller:
    """One connection to one server, and one to the ciphertexts."""

    def __init__(self, port: int, token: str, database: Path) -> None:
        """Connect to both."""
        self._http = http.client.HTTPConnection("127.0.0.1", port)
        self._headers = {"X-Vault-Token": token, "Content-Type": "application/json"}
        self._store = sqlite3.connect(str(database))
        self._store.execute(
            "CREATE TABLE IF NOT EXISTS fields (owner TEXT, field TEXT, port INTEGER, ciphertext TEXT,"
            " PRIMARY KEY (port, owner, field)) WITHOUT ROWID"
        )

    def store(self, numbers: list[int], kind: str) -> None:
        """Encrypt the fields of customers, and keep what comes back."""
        named = [
            (people.customer_id(number), field, _value(number, kind, field))
            for number in numbers
            for field in _FIELDS[kind]
        ]
        items = [{"plaintext": _b64(value), "associated_data": _b64(f"{o}/{f}")} for o, f, value in named]
        results = self._call("encrypt", items)
        rows = [(o, f, self._http.port, r["ciphertext"]) for (o, f, _), r in zip(named, results, strict=True)]
        with self._store:
            self._store.executemany("INSERT INTO fields (owner, field, port, ciphertext) VALUES (?, ?, ?, ?)", rows)

    def read(self, numbers: list[int], kind: str) -> list[str]:
        """The fields of customers, opened."""
        fields = _FIELDS[kind]
        wanted = [(people.customer_id(number), field) for number in numbers for field in fields]
        values = ", ".join(["(?, ?)"] * len(wanted))
        sql = f"SELECT owner, field, ciphertext FROM fields WHERE port = {self._http.port} AND (owner, field) IN (VALUES {values})"  # noqa: E501, S608
        found = self._store.execute(sql, [text for pair in wanted for text in pair]).fetchall()
        items = [{"ciphertext": c, "associated_data": _b64(f"{o}/{f}")} for o, f, c in found]
        opened = [base64.b64decode(r["plaintext"]).decode() for r in self._call("decrypt", items)]
        if len(opened) != len(wanted):
            raise ValueError("an answer is not the one that was asked for")
        return opened

    def _call(self, what: str, items: list[dict[str, str]]) -> list[dict[str, str]]:
        self._http.request("POST", f"/v1/transit/{what}/{KEY}", json.dumps({"batch_input": items}), self._headers)
        answer = self._http.getresponse()
        body = answer.read()
        if answer.status != _OK:
            raise ValueError(f"OpenBao answered {answer.status}: {body[:200]!r}")
        results: list[dict[str, str]] = json.loads(body)["data"]["batch_results"]
        return results


def _value(number: int, kind: str, field: str) -> str:
    return str(getattr(people.card(number) if kind == "cards" else people.contact(number), field))


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Load:
    """What this process does with one server after the other."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def fill(self, port: int, token: str, customers: int) -> dict[str, Any]:
        """Store so many customers."""
        caller = Caller(port, token, self._database)
        for start in range(0, customers, _AT_ONCE):
            for kind in _FIELDS:
                caller.store(list(range(start, min(start + _AT_ONCE, customers))), kind)
        return {"customers": customers}

    def run(self, port: int, token: str, customers: int, *, kind: str, callers: int, seconds: float) -> dict[str, Any]:
        """Read for so many seconds; calls in a second."""
        done: list[int] = []
        failed: list[Exception] = []
        began = time.perf_counter()

        def work(number: int) -> None:
            try:
                caller, order, calls = Caller(port, token, self._database), people.scattered(customers, number), 0
                while time.perf_counter() - began < seconds:
                    caller.read(list(islice(order, _RECORDS[kind])), kind)
                    calls += 1
                done.append(calls)
            except Exception as error:  # noqa: BLE001 - raised again below, where it ends the process
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return {"per_s": sum(done) / (time.perf_counter() - began)}


def _main(database: str) -> None:
    load = Load(Path(database))
    for line in sys.stdin:
        command = json.loads(line)
        do = command.pop("do")
        say(load.fill(**command) if do == "fill" else load.run(**command))


if __name__ == "__main__":
    _main(*sys.argv[1:])
