"""Callers of one vault who write and read without a pause, and know exactly what they were told.

They stop at the first call that is not done; `look`, after a restart, settles what got no answer and compares the whole
vault with what they know.
"""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import examine
from tests.faults.callers import Answer, Callers, Kind
from tests.faults.deeds import Customer, Deed, some
from tests.faults.examine import Toll
from vault.v1.contact_service_pb2 import GetContactRequest

WRITERS = 12
REPEATED = 5
"""Acknowledged requests that are sent once more in each look."""


@dataclass(slots=True)
class Shop:
    """Callers of one vault, and all that they know."""

    home: Path
    chance: random.Random
    toll: Toll
    whose: list[list[Customer]] = field(default_factory=lambda: [[] for _ in range(WRITERS)])
    """Each writer has customers of its own, so the order of the writes to one is known."""
    pending: list[Deed] = field(default_factory=list)
    done: list[Deed] = field(default_factory=list)

    @property
    def everybody(self) -> list[Customer]:
        """All customers whose creation is known to be done."""
        return [who for each in self.whose for who in each]

    async def busy(self, callers: Callers) -> None:
        """All writers, until each is told that something failed."""
        await asyncio.gather(*(self.write(callers, number) for number in range(WRITERS)))

    async def write(self, callers: Callers, number: int) -> None:
        """Write and read until the server is gone."""
        mine = self.whose[number]
        while True:
            if (await self.one(callers, mine)).kind is not Kind.DONE or not mine:
                return
            if not await self.read(callers, self.chance.choice(mine)):
                return

    async def one(self, callers: Callers, mine: list[Customer]) -> Answer:
        """One write."""
        free = [who for who in mine if all(deed.customer is not who for deed in self.pending)]
        deed = some(free, self.chance)
        answer = await callers.send(deed.role, deed.method, deed.request)
        if answer.kind is Kind.UNKNOWN:
            self.pending.append(deed)
        elif answer.kind is Kind.DONE:
            self.note(deed, answer.response, mine)
        return answer

    async def read(self, callers: Callers, who: Customer) -> bool:
        """A contact as it was written last, by its only writer; whether the server is there."""
        request = GetContactRequest(customer_id=who.customer_id, purpose="service_provisioning")
        answer = await callers.send("provisioning", "ContactService.GetContact", request)
        if answer.kind is Kind.DONE:
            self.toll.tried["reads"] += 1
            contact = answer.response.contact
            assert contact.name == who.values[contact.record_name]
            who.records[contact.record_name] = contact.etag
        return answer.kind is Kind.DONE or f"{who.name}/contact" not in who.values

    def note(self, deed: Deed, response: object, mine: list[Customer]) -> None:
        """It was acknowledged."""
        if deed.customer not in mine:
            mine.append(deed.customer)
        deed.done(response)
        self.done.append(deed)
        self.toll.tried["acknowledged writes"] += 1

    async def settle(self, callers: Callers) -> None:
        """Send what got no answer again, byte for byte, and some that had one."""
        for deed in self.pending:
            answer = await callers.send(deed.role, deed.method, deed.request)
            assert answer.kind is Kind.DONE, (deed.method, answer.error)
            mine = next((each for each in self.whose if deed.customer in each), self.whose[0])
            self.note(deed, answer.response, mine)
            self.toll.tried["repeated after a kill"] += 1
        self.pending.clear()
        for deed in self.chance.sample(self.done, min(REPEATED, len(self.done))):
            answer = await callers.send(deed.role, deed.method, deed.request)
            if answer.response != deed.response and not deed.erases:
                self.toll.twice.append(f"{deed.method}: another answer than the first")
            self.toll.tried["answered again"] += 1

    async def look(self) -> None:
        """After a restart: settle what is open, then compare everything."""
        examine.unsettled(self.home, self.toll, self.pending)
        examine.verify(self.home, self.toll)
        async with Callers(self.home) as callers:
            await self.settle(callers)
        examine.settled(self.home, self.toll, self.everybody, self.done)
        await examine.read_all(self.home, self.toll, self.everybody)
