"""What a company does with its vault all day, at a rate that leaves the machine room: every call is checked.

The crowd is bounded: who joins beyond it makes the one who came first leave, erased. So what the server holds ought to
level out, and what still grows is the log on disk or a leak. Callers use the SDK, as services do; some keep their
connection for the whole time, and one kind opens a connection for a single call.

An answer counts as an error unless it is the right value, or "not there" about somebody who was being erased.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from tests.abuse.canaries import Person, people
from tests.faults.victims import Calls
from tests.running import RunningVault
from vault.client import (
    AuditorClient,
    BillingClient,
    CareClient,
    NewCustomer,
    OfficerClient,
    OpenedCard,
    ProvisioningClient,
    StorefrontClient,
)
from vault.errors import NotFound, PermissionDenied, VaultError

CROWD = 400
BATCH = 50
LEAVING_SECONDS = 1.0
"""Between taking somebody out of the crowd and the erasure, so that calls about them have ended."""

UNTIMED = ("erase",)
"""Works that wait on purpose."""

Work = Callable[[], Awaitable[object]]
"""What a caller does; False if there was nothing to do."""


@dataclass(slots=True)
class Member:
    """A customer and the names of the records."""

    person: Person
    card: str


@dataclass(slots=True)
class Load:
    """The callers, and what they saw."""

    vault: RunningVault
    calls: Calls = field(default_factory=Calls)
    """Since the last sample."""
    made: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    crowd: deque[Member] = field(default_factory=deque)
    rng: random.Random = field(default_factory=lambda: random.Random(20))
    joined: int = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Call until the block ends; then finish what was begun and hang up."""
        async with contextlib.AsyncExitStack() as stack:
            works = await self._works(stack)
            over = asyncio.Event()
            tasks = [asyncio.create_task(self._repeat(name, rate, work, over)) for name, rate, work in works]
            try:
                yield
            finally:
                over.set()
                await asyncio.gather(*tasks)

    async def _works(self, stack: contextlib.AsyncExitStack) -> list[tuple[str, float, Work]]:
        """Connect, fill the crowd a little, and say who does what and how often a second."""
        folder = self.vault.caller
        storefront = await stack.enter_async_context(StorefrontClient.open(folder("storefront")))
        provisioning = await stack.enter_async_context(ProvisioningClient.open(folder("provisioning")))
        care = await stack.enter_async_context(CareClient.open(folder("care")))
        billing = await stack.enter_async_context(BillingClient.open(folder("billing")))
        officer = await stack.enter_async_context(OfficerClient.open(folder("officer")))
        auditor = await stack.enter_async_context(AuditorClient.open(folder("auditor")))
        for _ in range(BATCH):
            await self.join(storefront)
        return [
            ("create", 4.0, lambda: self.join(storefront)),
            ("erase", 6.0, lambda: self.leave(officer)),
            ("get contact", 15.0, lambda: self.read(provisioning)),
            ("put contact", 4.0, lambda: self.change(care)),
            ("find contact", 3.0, lambda: self.find(care)),
            ("get card", 4.0, lambda: self.open_card(billing)),
            ("get 50 cards", 1.0, lambda: self.open_cards(billing)),
            ("connect and read", 2.0, self.visit),
            ("list log entries", 0.5, lambda: self.audit(auditor)),
        ]

    async def _repeat(self, name: str, rate: float, work: Work, over: asyncio.Event) -> None:
        """Call at an even pace; who is late does not catch up, so that an attack is not followed by a rush."""
        while not over.is_set():
            start = time.monotonic()
            try:
                self.made[name] += await work() is not False
            except (VaultError, AssertionError) as error:
                said = f"{name}: {type(error).__name__} {error}"
                self.errors[said] += 1
                self.calls.errors[said] += 1
            took = time.monotonic() - start
            if name not in UNTIMED:
                self.calls.seconds.append(took)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), max(0.001, 1 / rate - took))

    # --- what callers do -------------------------------------------------------------------------------------------

    async def join(self, storefront: StorefrontClient) -> None:
        """A customer with a contact and a card."""
        self.joined += 1
        [person] = people(1, seed=self.joined, prefix=f"soak-{self.joined}-")
        created = await storefront.create_customer(
            NewCustomer(person.customer_id, person.contact(), [person.card()]), sealed=self.joined % 4 > 0
        )
        self.crowd.append(Member(person, created.record_names[1]))

    async def leave(self, officer: OfficerClient) -> bool:
        """The one who came first, once the crowd is full."""
        if len(self.crowd) <= CROWD:
            return False
        member = self.crowd.popleft()
        await asyncio.sleep(LEAVING_SECONDS)
        receipt = await officer.erase_customer(member.person.customer_id)
        assert receipt.keys_destroyed >= 2, f"{receipt.keys_destroyed} keys destroyed"
        return True

    async def read(self, client: ProvisioningClient) -> None:
        """A contact."""
        member = self._anybody()
        with self._unless_gone(member):
            found = await client.get_contact(member.person.customer_id)
            assert found.phone == member.person.phone, "another phone"

    async def change(self, care: CareClient) -> None:
        """Write the same contact again: a new version of the record."""
        member = self._anybody()
        with self._unless_gone(member):
            await care.put_contact(member.person.customer_id, member.person.contact())

    async def find(self, care: CareClient) -> None:
        """By phone; each has one of their own."""
        member = self._anybody()
        found = await care.find_contacts(phone=member.person.phone)
        assert len(found) == 1 or member not in self.crowd, f"{len(found)} found"

    async def open_card(self, billing: BillingClient) -> None:
        """One card."""
        member = self._anybody()
        with self._unless_gone(member):
            card = await billing.get_card(member.card)
            assert card.card_number == member.person.card_number, "another number"

    async def open_cards(self, billing: BillingClient) -> None:
        """Fifty cards in a call."""
        members = self.rng.sample(list(self.crowd), min(BATCH, len(self.crowd)))
        cards = await billing.batch_get_cards([member.card for member in members])
        for member, card in zip(members, cards, strict=True):
            if not isinstance(card, OpenedCard):
                assert member not in self.crowd, f"no card: {card}"
                continue
            assert card.card_number == member.person.card_number, "another number"

    async def visit(self) -> None:
        """A connection for one call."""
        async with ProvisioningClient.open(self.vault.caller("provisioning")) as client:
            await self.read(client)

    async def audit(self, auditor: AuditorClient) -> None:
        """A page of the log."""
        page = 100
        async for _ in auditor.list_entries():
            page -= 1
            if not page:
                return

    def _anybody(self) -> Member:
        return self.rng.choice(self.crowd)

    @contextlib.contextmanager
    def _unless_gone(self, member: Member) -> Iterator[None]:
        try:
            yield
        except (NotFound, PermissionDenied):
            if member in self.crowd:
                raise
