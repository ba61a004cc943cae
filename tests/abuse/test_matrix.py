"""Every caller x every method x every protected field x every purpose x every state of a customer (T15).

The cells are generated from policy.toml and the API's descriptors; what must come of each is said by `oracle`, which
shares no code with the policy's own decision. What comes is asked of a whole vault, and what it returned is opened and
compared value by value: "allowed" means exactly these fields, of exactly this customer, and nothing else.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.abuse import answers
from tests.abuse.answers import Answer
from tests.abuse.billing import Billing
from tests.abuse.canaries import Person, people
from tests.abuse.facts import set_facts
from tests.abuse.oracle import DENIED_TEXT, INVALID, Expected, Kind, Oracle, Subject
from tests.figures import Figures
from tests.vaults import OpenVault, opened
from vault.audit.entry import parse
from vault.errors import VaultError
from vault.store.v1.audit_entry_pb2 import OUTCOME_DENIED, AuditEntry
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import status_pb2 as status

DOMAIN = "spiffe://vault.example/"
MORE_CALLERS = {
    "two-desks": ("provisioning", "billing"),
    "two-letters": ("notices", "partners"),
    "two-helpers": ("care", "notices"),
    "two-quiet": ("auditor", "storefront"),
}
NOBODY = (f"{DOMAIN}nobody", "spiffe://elsewhere.example/billing")
CONSENTS = frozenset({"partner_offers", "partner_programs"})
SUBJECTS = (
    Subject("c0"),
    Subject("c1", consents=CONSENTS),
    Subject("c2", consents=frozenset({"partner_offers"})),
    Subject("c3", objections=frozenset({"product_news"}), consents=CONSENTS),
    Subject("c4", restricted=True, consents=CONSENTS),
    Subject("c5", known=False),
)
AGREED, UNKNOWN = SUBJECTS[1], SUBJECTS[5]
READS = {
    "ContactService.GetContact": "contact",
    "ContactService.FindContacts": "contact",
    "PaymentService.GetCard": "payment",
    "PaymentService.ListCards": "payment",
}
BATCHES = {"ContactService.BatchGetContacts": "contact", "PaymentService.BatchGetCards": "payment"}
AT_ONCE = 256
_UNAVAILABLE = status.REASON_CUSTOMER_NOT_AVAILABLE


@dataclass(frozen=True, slots=True)
class Cell:
    """One question."""

    caller: str
    method: str
    mask: tuple[str, ...]
    purpose: str
    subject: Subject


@dataclass(slots=True)
class Score:
    """What was found."""

    cells: int = 0
    wrong_allow: list[str] = field(default_factory=list)
    wrong_deny: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)

    def judge(self, cell: object, expected: Expected, got: Answer, person: Person) -> None:
        """Compare one answer with what it must be."""
        self.cells += 1
        if got.kind in (Kind.DENIED, Kind.MISSING):
            self.texts.add(got.text)
        said = f"{cell}: {got} instead of {expected}"
        if got.kind is Kind.READ and (expected.kind is not Kind.READ or not set(got.values) <= expected.fields):
            self.wrong_allow.append(said)
        elif got.kind is not Kind.READ and expected.kind is Kind.READ:
            self.wrong_deny.append(said)
        elif got.kind is Kind.READ:
            stored = {**_contact_values(person), **person.stored_card()}
            if got.values != {name: stored[name] for name in expected.fields}:
                self.differing.append(said)
            elif got.values and got.sealed != expected.sealed:
                self.wrong_allow.append(said)
        elif (got.kind, got.reason) != (expected.kind, expected.reason) or got.clause != expected.clause:
            self.differing.append(said)

    def line(self) -> str:
        """The figures."""
        return (
            f"{self.cells} cells, wrong-allow {len(self.wrong_allow)}, wrong-deny {len(self.wrong_deny)}, "
            f"otherwise differing {len(self.differing)}, not in the log {len(self.unlogged)}"
        )

    def check(self) -> None:
        """Fail with a few examples."""
        found = self.wrong_allow[:3] + self.wrong_deny[:3] + self.differing[:3] + self.unlogged[:3]
        assert not found, "\n".join([self.line(), *found])


def _contact_values(person: Person) -> dict[str, str]:
    contact = person.contact()
    names = ("name", "street", "city", "region", "postal_code", "country_code", "phone", "email")
    return {name: getattr(contact, name) for name in names}


@dataclass(slots=True)
class World:
    """A vault with six customers, and who may ask what of it."""

    vault: OpenVault
    oracle: Oracle
    billing: Billing
    persons: dict[str, Person]
    callers: list[str]

    @property
    def purposes(self) -> list[str]:
        """All that a caller may name, and what it may not."""
        return ["", *self.oracle.tables["purposes"], "no_such_purpose"]

    def masks(self) -> list[tuple[str, ...]]:
        """No mask, each field alone, and fields of other records."""
        every = [name for names in self.oracle.categories.values() for name in names]
        return [(), *((name,) for name in dict.fromkeys(every))]

    def is_foreign(self, cell: Cell) -> bool:
        """Whether the mask names a field of another record."""
        return not set(cell.mask) <= set(self.oracle.categories[READS[cell.method]])

    async def entries(self, start: int) -> list[AuditEntry]:
        """The log from an index on."""
        log_id = self.vault.parts.journal.log_id
        return [parse(e) for _, e in await self.vault.parts.store.log_entries(log_id, start, 1 << 30)]

    async def log_size(self) -> int:
        """Entries so far."""
        return await self.vault.parts.store.log_size(self.vault.parts.journal.log_id)


def add_callers(home: Path) -> None:
    """Let the policy name callers of two roles."""
    with (home / "policy.toml").open("a") as policy:
        for name, roles in MORE_CALLERS.items():
            policy.write(f'\n[callers."{DOMAIN}{name}"]\nroles = {list(roles)}\n'.replace("'", '"'))


@pytest.fixture
async def world(home: Path) -> AsyncIterator[World]:
    """The customers in all their states, and callers of one role, of two and of none."""
    add_callers(home)
    persons = {person.customer_id: person for person in people(len(SUBJECTS))}
    async with opened(home) as vault:
        for subject in SUBJECTS:
            if subject.known:
                person = persons[subject.customer_id]
                card = person.card()
                card.record_name = card_name(subject)
                await vault.create(person.customer_id, contact=person.contact(), cards=[card])
                await set_facts(
                    vault,
                    subject.customer_id,
                    consents=subject.consents,
                    objections=subject.objections,
                    restricted=subject.restricted,
                )
        oracle = Oracle(home / "policy.toml")
        yield World(vault, oracle, Billing(home), persons, [*oracle.tables["callers"], *NOBODY])


def card_name(subject: Subject) -> str:
    """The one card of a customer."""
    return f"customers/{subject.customer_id}/cards/one"


def cells(world: World, method: str) -> list[Cell]:
    """All questions of a method that reads one record."""
    found = []
    for caller in world.callers:
        for mask in world.masks():
            # Where it must not matter who is asked for, one of each kind will do.
            foreign = world.is_foreign(Cell(caller, method, mask, "", AGREED))
            subjects = (AGREED, UNKNOWN) if foreign or world.oracle.call(caller, method) else SUBJECTS
            found += [Cell(caller, method, mask, p, s) for p in world.purposes for s in subjects]
    return found


async def ask(world: World, cell: Cell) -> Answer:
    """Put one question."""
    request: Any
    match cell.method:
        case "ContactService.GetContact":
            request = contacts.GetContactRequest(customer_id=cell.subject.customer_id, purpose=cell.purpose)
        case "ContactService.FindContacts":
            phone = world.persons[cell.subject.customer_id].phone
            request = contacts.FindContactsRequest(phone=phone, purpose=cell.purpose)
        case "PaymentService.GetCard":
            request = payments.GetCardRequest(record_name=card_name(cell.subject), purpose=cell.purpose)
        case _:
            request = payments.ListCardsRequest(customer_id=cell.subject.customer_id, purpose=cell.purpose)
    request.read_mask.paths.extend(cell.mask)
    try:
        response = await world.vault.call(cell.caller, cell.method, request)
    except VaultError as error:
        return answers.of_error(error)
    found = {"GetContactResponse": "contact", "GetCardResponse": "card"}.get(type(response).__name__)
    records = [getattr(response, found)] if found else [*getattr(response, "contacts", getattr(response, "cards", ()))]
    assert len(records) <= 1, cell
    if not records:
        return Answer(Kind.MISSING)
    return await answers.of_record(world.vault, world.billing, records[0])


def must_be(world: World, cell: Cell) -> Expected:
    """What the rules say."""
    oracle, category = world.oracle, READS[cell.method]
    refused = oracle.call(cell.caller, cell.method)
    if refused:
        return refused
    if cell.method == "PaymentService.ListCards":
        return oracle.listing(cell.caller, category, cell.mask, cell.purpose, cell.subject)
    expected = oracle.read(cell.caller, category, cell.mask, cell.purpose, cell.subject)
    if cell.method != "ContactService.FindContacts":
        return expected
    # What may be searched by is what may be read, and what is not found is no error.
    key = oracle.read(cell.caller, category, ("phone",), cell.purpose, cell.subject)
    if expected.reason in (status.REASON_UNSPECIFIED, status.REASON_CUSTOMER_NOT_AVAILABLE):
        if key.reason not in (status.REASON_UNSPECIFIED, status.REASON_CUSTOMER_NOT_AVAILABLE):
            return key
        if expected.kind is not Kind.READ:
            return Expected(Kind.MISSING)
    return expected


@pytest.mark.parametrize("method", sorted(READS))
async def test_every_read_gives_exactly_what_the_policy_says(world: World, figures: Figures, method: str) -> None:
    """Each caller, mask, purpose and state of a customer; and each answer but the malformed is in the log."""
    questions = cells(world, method)
    random.Random(15).shuffle(questions)
    score = Score()
    for start in range(0, len(questions), AT_ONCE):
        part = questions[start : start + AT_ONCE]
        before = await world.log_size()
        found = await asyncio.gather(*(ask(world, cell) for cell in part))
        for cell, got in zip(part, found, strict=True):
            expected = must_be(world, cell)
            if got.kind is Kind.INVALID and world.is_foreign(cell) and expected.kind is Kind.DENIED:
                expected = INVALID  # a request that is wrong twice may be told either
            elif got.kind is Kind.DENIED and expected is INVALID and world.is_foreign(cell):
                expected = Expected(Kind.DENIED, got.reason, clause=got.clause)
            score.judge(cell, expected, got, world.persons[cell.subject.customer_id])
        score.unlogged += await _not_in_log(world, before, part, found)
    figures(score.line())
    score.check()
    assert score.texts - {""} == {DENIED_TEXT}  # "" is an empty page of a search


async def _not_in_log(world: World, before: int, asked: Sequence[Cell], found: Sequence[Answer]) -> list[str]:
    """Where the log differs: each denial must be in it with caller, method and reason, and each answer given."""
    entries = await world.entries(before)
    # A search that finds somebody who may not be read answers with an empty page, and says in the log that it did.
    hidden = [e for e in entries if (e.action, e.reason) == ("ContactService.FindContacts", _UNAVAILABLE)]
    entries = [e for e in entries if e not in hidden]
    denied = Counter((e.caller, e.action, e.reason) for e in entries if e.outcome == OUTCOME_DENIED)
    must = Counter((c.caller, c.method, a.reason) for c, a in zip(asked, found, strict=True) if a.reason and a.text)
    for invalid in [key for key in must if key[2] == status.REASON_INVALID_FIELD]:
        del must[invalid]
    differs = [f"the log: {times} times {what}" for what, times in ((denied - must) + (must - denied)).items()]
    served = sum(e.action in READS and e.outcome != OUTCOME_DENIED for e in entries) + len(hidden)
    answered = sum(not answer.text for answer in found)
    return differs if served == answered else [*differs, f"the log: {served} entries of {answered} answers"]


async def test_every_batch_gives_exactly_what_the_policy_says(world: World, figures: Figures) -> None:
    """As single reads do, item by item, and the one entry says of each item what became of it."""
    score = Score()
    for caller in world.callers:
        for method, category in BATCHES.items():
            for mask in world.masks():
                for purpose in world.purposes:
                    await _judge_batch(world, score, Cell(caller, method, mask, purpose, AGREED), category)
    figures(score.line())
    score.check()
    assert score.texts == {DENIED_TEXT}


async def _judge_batch(world: World, score: Score, cell: Cell, category: str) -> None:
    request: Any
    if category == "contact":
        request = contacts.BatchGetContactsRequest(customer_ids=[s.customer_id for s in SUBJECTS], purpose=cell.purpose)
    else:
        request = payments.BatchGetCardsRequest(record_names=map(card_name, SUBJECTS), purpose=cell.purpose)
    request.read_mask.paths.extend(cell.mask)
    refused = world.oracle.call(cell.caller, cell.method)
    before = await world.log_size()
    try:
        response = await world.vault.call(cell.caller, cell.method, request)
    except VaultError as error:
        expected = refused or world.oracle.read(cell.caller, category, cell.mask, cell.purpose, AGREED)
        got = answers.of_error(error)
        score.judge(cell, expected, got, world.persons[AGREED.customer_id])
        logged = [(e.caller, e.action, e.reason) for e in await world.entries(before)]
        assert logged == ([] if got.kind is Kind.INVALID else [(cell.caller, cell.method, got.reason)])
        return
    (entry,) = await world.entries(before)
    outcomes = entry.outcomes or [entry.outcome] * len(SUBJECTS)
    for subject, item, outcome in zip(SUBJECTS, response.results, outcomes, strict=True):
        if item.HasField("error"):
            got = answers.of_item(item.error)
        else:
            got = await answers.of_record(world.vault, world.billing, getattr(item, item.WhichOneof("result")))
        expected = refused or world.oracle.read(cell.caller, category, cell.mask, cell.purpose, subject)
        score.judge((cell, subject), expected, got, world.persons[subject.customer_id])
        assert (outcome == OUTCOME_DENIED) == (expected.kind is not Kind.READ)
