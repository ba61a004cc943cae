"""Every caller x every read of an account or a log x every field x every purpose x every state of a customer (T15).

What must come of each cell is said by the oracle, as in the matrix of contacts and cards. Two kinds of records share
the category `account`, so a mask may name a field of the other one: that is a malformed request, whoever asks.
"""

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest

from tests.abuse import answers
from tests.abuse.answers import Answer
from tests.abuse.facts import restriction
from tests.abuse.oracle import DENIED_TEXT, INVALID, Expected, Kind
from tests.abuse.test_matrix import AGREED, SUBJECTS, UNKNOWN, Cell, World
from tests.abuse.test_matrix import world as world  # noqa: PLC0414 - a fixture, found by its name
from tests.figures import Figures
from vault.errors import VaultError
from vault.store.v1.audit_entry_pb2 import OUTCOME_DENIED
from vault.v1 import account_service_pb2 as v1
from vault.v1 import records_pb2 as records

GET, LIST = "AccountService.GetAccount", "AccountService.ListLogEntries"
READS = {GET: ("status", "services", "history"), LIST: ("log_entries",)}
AT_ONCE = 256


async def settle(world: World) -> None:
    """Give each customer an account with a history, and a line of log."""
    for subject in SUBJECTS:
        if not subject.known:
            continue
        who = subject.customer_id
        if subject.restricted:
            await restriction(world.vault, who, restricted=False)
        for state in ("ordered", f"active {who}"):
            account = records.Account(status=state, services=records.ServiceList(services=[f"fibre {who}"]))
            request = v1.PutAccountRequest(customer_id=who, account=account)
            await world.vault.call("care", "AccountService.PutAccount", request)
        lines = [records.LogLine(text=f"called {who}")]
        append = v1.AppendLogEntriesRequest(customer_id=who, lines=lines)
        await world.vault.call("care", "AccountService.AppendLogEntries", append)
        if subject.restricted:
            await restriction(world.vault, who)


def cells(world: World, method: str) -> list[Cell]:
    """All questions of one method."""
    masks: list[tuple[str, ...]] = [()]
    if method == GET:
        masks += [(name,) for names in world.oracle.categories.values() for name in names]
    return [
        Cell(caller, method, mask, purpose, subject)
        for caller in world.callers
        for mask in masks
        for purpose in world.purposes
        for subject in ((AGREED, UNKNOWN) if world.oracle.call(caller, method) else SUBJECTS)
    ]


async def ask(world: World, cell: Cell) -> Answer:
    """Put one question; the values that came back, by the customer whose they must be."""
    request: Any
    if cell.method == GET:
        request = v1.GetAccountRequest(customer_id=cell.subject.customer_id, purpose=cell.purpose)
        request.read_mask.paths.extend(cell.mask)
    else:
        request = v1.ListLogEntriesRequest(customer_id=cell.subject.customer_id, purpose=cell.purpose)
    try:
        response = await world.vault.call(cell.caller, cell.method, request)
    except VaultError as error:
        return answers.of_error(error)
    if cell.method == LIST:
        return Answer(Kind.READ, values={"log_entries": "\n".join(line.text for line in response.lines)})
    account = response.account
    values = {
        "status": account.status,
        "services": "\n".join(account.services.services),
        "history": "\n".join(state.status for state in account.history.states),
    }
    return Answer(Kind.READ, values={name: value for name, value in values.items() if value})


def must_be(world: World, cell: Cell) -> Expected:
    """What the rules say."""
    refused = world.oracle.call(cell.caller, cell.method)
    if refused:
        return refused
    own = READS[cell.method]
    expected = world.oracle.read(cell.caller, "account", cell.mask or (), cell.purpose, cell.subject)
    if expected.kind is Kind.READ:
        expected = replace(expected, fields=expected.fields & set(own))
    foreign = not set(cell.mask) <= set(own)
    return INVALID if foreign and expected.kind in (Kind.READ, Kind.MISSING) else expected


def holds(cell: Cell) -> dict[str, str]:
    """What is stored of a customer."""
    who = cell.subject.customer_id
    return {
        "status": f"active {who}",
        "services": f"fibre {who}",
        "history": "ordered",
        "log_entries": f"called {who}",
    }


@pytest.mark.parametrize("method", sorted(READS))
async def test_every_read_of_an_account_gives_exactly_what_the_policy_says(
    world: World, figures: Figures, method: str
) -> None:
    """The fields that the purpose may read, of this customer, and nothing else; each denial is in the log."""
    await settle(world)
    questions = cells(world, method)
    random.Random(15).shuffle(questions)
    wrong: dict[str, list[str]] = {"wrong-allow": [], "wrong-deny": [], "otherwise differing": []}
    texts, denials, before = set(), 0, await world.log_size()
    for start in range(0, len(questions), AT_ONCE):
        part = questions[start : start + AT_ONCE]
        for cell, got in zip(part, await asyncio.gather(*(ask(world, cell) for cell in part)), strict=True):
            expected = must_be(world, cell)
            foreign = not set(cell.mask) <= set(READS[method])
            if foreign and {got.kind, expected.kind} == {Kind.INVALID, Kind.DENIED}:
                expected = Expected(got.kind, got.reason, clause=got.clause)  # wrong twice: either may be told
            said = f"{cell}: {got} instead of {expected}"
            if got.kind in (Kind.DENIED, Kind.MISSING):
                texts.add(got.text)
                denials += 1
            stored = {name: value for name, value in holds(cell).items() if name in expected.fields}
            if got.kind is Kind.READ and (expected.kind is not Kind.READ or not set(got.values) <= expected.fields):
                wrong["wrong-allow"].append(said)
            elif got.kind is not Kind.READ and expected.kind is Kind.READ:
                wrong["wrong-deny"].append(said)
            elif replace(got, text="", detail=("", "")) != Answer(
                expected.kind, expected.reason, clause=expected.clause, values=stored
            ):
                wrong["otherwise differing"].append(said)
    logged = sum(entry.outcome == OUTCOME_DENIED for entry in await world.entries(before))
    figures(f"{len(questions)} cells, " + ", ".join(f"{what} {len(found)}" for what, found in wrong.items()))
    assert not [said for found in wrong.values() for said in found[:3]]
    assert texts == {DENIED_TEXT}
    assert logged == denials
