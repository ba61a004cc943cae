"""ReportAccess: whose data has a caller read? The question after its certificate was stolen, or its host.

The log knows customers by pseudonyms only, and keeps them so: an auditor is told how many there are, when, and which
fields. Whose they are stands in the customer records, under their locks. Opening all of them takes a minute for a
million, so it is done once, for all pseudonyms of a report, and only for who may export a customer anyway.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from vault.domain import names
from vault.domain.names import owner_of
from vault.errors import VaultError
from vault.policy.decide import permit_call
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.opening import Opened, customer_facts
from vault.service.trail import Recipient
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, AuditEntry
from vault.v1 import audit_service_pb2 as v1

if TYPE_CHECKING:  # They use this themselves.
    from vault.service.parts import Parts

_NAMED: Final = "CustomerService.ExportCustomer"
"""Who may call this may know whose pseudonym it is."""
_PAGE = 500
"""Customers of one answer, and customer records that are opened in one go."""


class Reporting:
    """The part of AuditService that answers for a breach."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts

    async def report_access(
        self, call: Call, request: v1.ReportAccessRequest
    ) -> AsyncGenerator[v1.ReportAccessResponse, None]:
        """Every customer of whom the caller got a field, sealed or open, in the time that is asked about."""
        if request.names:
            permit_call(self._parts.policy, call.caller, _NAMED)
        asked = {"names": 1} if request.names else {}
        await self._parts.journal.append(call, touched_entry(call, Touched(), counts=asked))
        found: dict[bytes, Recipient] = {}
        async for _, _, entry in self._parts.trail.entries_with(request.caller.encode()):
            until = request.until_ms or entry.time + 1
            if entry.caller == request.caller and entry.fields and request.since_ms <= entry.time < until:
                _count(found, entry)
        owners = await self._owners(call, found) if request.names else {}
        pending = iter(found.items())
        while page := list(islice(pending, _PAGE)):
            answer = v1.ReportAccessResponse()
            for subject, seen in page:
                answer.accessed.add(
                    subject=subject,
                    customer_id=owners.get(subject, ""),
                    reads=seen.reads,
                    first_time_ms=seen.first,
                    last_time_ms=seen.last,
                    purposes=seen.purpose.split(),
                    fields=sorted(seen.fields),
                )
            yield answer

    async def _owners(self, call: Call, wanted: Mapping[bytes, Recipient]) -> dict[bytes, str]:
        """Customer ids by pseudonym, of those who are not erased and whose record opens."""
        owners: dict[bytes, str] = {}
        after = "customers/"
        while len(owners) < len(wanted) and (page := await self._parts.store.customers(after, _PAGE)):
            after = page[-1]
            for name, opened in (await self._parts.records.open(page, call.now)).items():
                if not isinstance(opened, Opened):
                    continue
                try:
                    subject = customer_facts(opened).subject
                except VaultError:
                    continue
                if subject in wanted:
                    owners[subject] = names.customer_of(owner_of(name))
            await asyncio.sleep(0)
        return owners


def _count(found: dict[bytes, Recipient], entry: AuditEntry) -> None:
    """Add what one entry says; a write is none of it, and neither is what was refused."""
    if entry.written or entry.replaced:
        return
    outcomes = entry.outcomes or [entry.outcome] * len(entry.subjects)
    for subject, outcome in zip(entry.subjects, outcomes, strict=True):
        if outcome != OUTCOME_ALLOWED:
            continue
        seen = found.get(subject)
        if seen is None:
            seen = found[subject] = Recipient(entry.caller, "")
        seen.reads += 1
        seen.first = min(seen.first or entry.time, entry.time)
        seen.last = max(seen.last, entry.time)
        seen.fields.update(entry.fields)
        if entry.purpose not in seen.purpose.split():
            seen.purpose = f"{seen.purpose} {entry.purpose}".strip()
