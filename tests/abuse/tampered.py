"""A vault that somebody else writes to: what it must answer is known, and read back through its own calls.

Reading back asks for every contact for account_service (the vault opens) and every card as billing (the test opens,
with billing's key), and searches. Caches are emptied first: a cache that still knows the truth proves nothing.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.abuse.billing import Billing
from tests.abuse.canaries import Person, people
from tests.abuse.sealer import SealedSide
from tests.abuse.tables import LOOKUPS, SYSTEM, Tables
from tests.vaults import OpenVault
from vault.audit.entry import parse
from vault.domain.fields import protected_fields
from vault.errors import DataLoss, NotFound, OpenError, PermissionDenied, VaultError
from vault.service.opening import Opened
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED
from vault.v1 import contact_service_pb2 as contacts
from vault.v1 import payment_service_pb2 as payments
from vault.v1 import status_pb2 as status
from vault.v1.records_pb2 import Card, Contact

CUSTOMERS = 8
Values = dict[str, str]


@dataclass(slots=True)
class Found:
    """What a reading found."""

    values: dict[str, Values | VaultError] = field(default_factory=dict)
    """By record name."""
    unlogged: list[str] = field(default_factory=list)
    """Refused, and the log does not say so."""
    whole: list[VaultError] = field(default_factory=list)
    """Batches that failed as a whole."""


@dataclass(slots=True)
class Truth:
    """What every record must read as."""

    persons: dict[str, Person]
    values: dict[str, Values]
    epochs: dict[str, set[str]]
    """The epochs, in hex, that each record stands under."""

    def contacts(self) -> list[str]:
        """Names of contacts."""
        return [name for name in self.values if name.endswith("/contact")]

    def cards(self) -> list[str]:
        """Names of cards."""
        return [name for name in self.values if "/cards/" in name]


async def settle(vault: OpenVault) -> tuple[Truth, Tables]:
    """Make customers with a contact in its second version, a card sealed by the vault and one by the storefront.

    Returns:
        What must be read, and the tables as they were when contacts were in their first version.
    """
    persons = {p.customer_id: p for p in people(CUSTOMERS)}
    side = SealedSide(vault.parts.keyring, "payment_processing")
    await vault.call("storefront", "KeyService.PublishEpoch", side.publication())
    values: dict[str, Values] = {}
    for who, person in persons.items():
        cards = [person.card(), Card(record_name=f"customers/{who}/cards/two")]
        cards[0].record_name = f"customers/{who}/cards/one"
        cards[1].sealed.append(side.seal(cards[1].record_name, person.stored_card(), Card))
        await vault.create(who, contact=Contact(name="Earlier Name", city="Moncton"), cards=cards)
        values[f"customers/{who}/contact"] = plain(person.contact())
        values |= {card.record_name: person.stored_card() for card in cards}
    earlier = Tables.read(vault.home)
    for who, person in persons.items():
        put = contacts.PutContactRequest(customer_id=who, contact=person.contact())
        await vault.call("storefront", "ContactService.PutContact", put)
    # The storage's own thread retires the replaced keys, half a second later, and tells nobody.
    while not all(_is_retired(vault, earlier, n) for n in values if n.endswith("/contact")):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    found = await vault.parts.records.open(list(values), 0)  # type: ignore[arg-type]
    epochs = {
        name: {e.epoch_id.hex() for e in opened.record.envelopes}
        for name, opened in found.items()
        if isinstance(opened, Opened)
    }
    return Truth(persons, values, {str(name): ids for name, ids in epochs.items()}), earlier


def _is_retired(vault: OpenVault, earlier: Tables, name: str) -> bool:
    """Whether no live key is left for an earlier version."""
    row = earlier.record(name)
    return row is None or Tables.read(vault.home).key(row) is None


def plain(record: Contact | Card) -> Values:
    """The protected fields that stand in a message."""
    return {name: text for name in protected_fields(type(record)) if (text := getattr(record, name))}


class Reading:
    """Reads everything back, the way callers do."""

    def __init__(self, vault: OpenVault, truth: Truth, billing: Billing) -> None:
        self.vault = vault
        self.truth = truth
        self.billing = billing

    def forget(self) -> None:
        """Empty every cache of epochs."""
        keyring = self.vault.parts.keyring
        keyring.epochs._cache.clear()
        keyring.opening._secrets.clear()
        keyring.opening._steps.clear()
        self.billing.forget()

    async def everything(self, forged: Iterable[str] = ()) -> Found:
        """All contacts and cards, and names that should not be; a batch that fails whole is asked again one by one."""
        self.forget()
        found = Found()
        for name in forged:
            await self._single(name, found)
        for names in filter(None, (self.truth.contacts(), self.truth.cards())):
            try:
                await self._batch(names, found)
            except VaultError as error:
                found.whole.append(error)
                for name in names:
                    await self._single(name, found)
        return found

    async def _batch(self, names: list[str], found: Found) -> None:
        role, method, request = _request(names)
        response = await self.vault.call(role, method, request)
        (entry,) = await self._newest(1)
        for at, (name, item) in enumerate(zip(names, response.results, strict=True)):
            if item.HasField("error"):
                found.values[name] = _REFUSALS.get(item.error.code, VaultError)(item.error.message)
                outcome = entry.outcomes[at] if entry.outcomes else entry.outcome
                if outcome == OUTCOME_ALLOWED:
                    found.unlogged.append(name)
            else:
                found.values[name] = await self._opened(name, getattr(item, item.WhichOneof("result")))

    async def _single(self, name: str, found: Found) -> None:
        role, method, request = _request([name])
        size = await self.vault.parts.store.log_size("log-0")
        try:
            response = await self.vault.call(role, method, request)
            item = response.results[0]
            found.values[name] = (
                _REFUSALS.get(item.error.code, VaultError)(item.error.message)
                if item.HasField("error")
                else await self._opened(name, getattr(item, item.WhichOneof("result")))
            )
        except VaultError as error:
            found.values[name] = error
            if await self.vault.parts.store.log_size("log-0") == size:
                found.unlogged.append(name)

    async def _opened(self, name: str, record: Contact | Card) -> Values | VaultError:
        if record.record_name != name:
            return {"record_name": record.record_name}
        if isinstance(record, Contact):
            return {"sealed": "unexpected"} if record.sealed else plain(record)
        try:
            return {**plain(record), **await self.billing.open(self.vault, name, record)}
        except (OpenError, DataLoss) as error:
            return error  # refused by the reader, who was told the name by nobody but itself

    async def search(self, who: str) -> list[Values]:
        """Everybody who is found by a customer's phone, e-mail or name."""
        person = self.truth.persons[who]
        found = []
        for key in ("phone", "email", "name"):
            asked = contacts.FindContactsRequest(purpose="account_service", **{key: getattr(person, key)})
            response = await self.vault.call("care", "ContactService.FindContacts", asked)
            found += [plain(contact) for contact in response.contacts]
        return found

    async def _newest(self, count: int) -> list:  # type: ignore[type-arg]
        size = await self.vault.parts.store.log_size("log-0")
        return [parse(e) for _, e in await self.vault.parts.store.log_entries("log-0", size - count, count)]


_REFUSALS: dict[int, Callable[[str], VaultError]] = {
    5: NotFound,
    7: lambda text: PermissionDenied(status.REASON_CUSTOMER_NOT_AVAILABLE, text),
    15: DataLoss,
}


def _request(names: list[str]) -> tuple[str, str, contacts.BatchGetContactsRequest | payments.BatchGetCardsRequest]:
    if names[0].endswith("/contact"):
        ids = [name.split("/")[1] for name in names]
        contact_request = contacts.BatchGetContactsRequest(customer_ids=ids, purpose="account_service")
        return "care", "ContactService.BatchGetContacts", contact_request
    return "billing", "PaymentService.BatchGetCards", payments.BatchGetCardsRequest(record_names=names)


@dataclass(slots=True)
class Verdict:
    """Many mutations, judged."""

    mutations: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    """Something was served that is not the truth, or a changed row was served at all."""
    unserved: list[str] = field(default_factory=list)
    """A record that nobody touched was not served."""
    unlogged: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)

    def judge(self, label: str, truth: Truth, before: Tables, after: Tables, found: Found) -> None:
        """Compare what was found with what the rows say it may be."""
        self.mutations[label] += 1
        touched = _touched_epochs(before, after)
        for name, got in found.values.items():
            owner = "/".join(name.split("/")[:2])
            intact = name in truth.values and all(after.opens(n) == before.opens(n) for n in (owner, name))
            at_stake = touched is None or truth.epochs.get(name, set()) & touched
            if not isinstance(got, VaultError):
                if not intact or got != truth.values[name]:
                    self.accepted.append(f"{label}: {name} was served: {got}")
            elif not isinstance(got, (DataLoss, NotFound, PermissionDenied, OpenError)):
                self.accepted.append(f"{label}: {name}: {type(got).__name__} {got}")
            else:
                self.refused[type(got).__name__] += 1
                if intact and not at_stake:
                    self.unserved.append(f"{label}: {name}: {got}")
        self.unlogged += [f"{label}: {name}" for name in found.unlogged]
        self.whole += [f"{label}: {type(error).__name__}" for error in found.whole]

    def line(self) -> str:
        """The figures."""
        refused = ", ".join(f"{count} {name}" for name, count in sorted(self.refused.items()))
        return (
            f"{self.mutations.total()} mutations of {len(self.mutations)} kinds, accepted {len(self.accepted)}, "
            f"untouched but not served {len(self.unserved)}; records refused: {refused}; "
            f"refused and not in the log {len(self.unlogged)}; batches refused whole {len(self.whole)}"
        )


def _touched_epochs(before: Tables, after: Tables) -> set[str] | None:
    """Epochs whose rows changed, in hex; None if it was a row that more depends on."""

    def rows(tables: Tables) -> dict[tuple[str, str], list[object]]:
        found: dict[tuple[str, str], list[object]] = {}
        for row in tables.rows[SYSTEM]:
            found.setdefault((row["kind"], row["row"]), []).append(
                (row["version"], row["n"], row["destroyed"], row["sealed"])
            )
        return found

    old, new = rows(before), rows(after)
    changed = {name for name in {*old, *new} if sorted(old.get(name, [])) != sorted(new.get(name, []))}  # type: ignore[type-var]
    if any(kind != "system" or not row.startswith(("epochs/", "stanzas/")) for kind, row in changed):
        return None
    return {row.split("/")[1] for _, row in changed}


def searchers(before: Tables, after: Tables) -> set[str]:
    """Customers whose search tokens changed."""
    old, new = ({tuple(row.items()) for row in tables.rows[LOOKUPS]} for tables in (before, after))
    return {str(dict(row)["owner"]).split("/")[1] for row in old ^ new}


def forged_names(truth: Truth, tables: Tables) -> list[str]:
    """Names of contacts and cards in the tables that nobody ever made."""
    return sorted({n for n in tables.names() if n not in truth.values and ("/cards/" in n or n.endswith("/contact"))})
