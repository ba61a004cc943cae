"""ExportCustomer: everything that the vault holds of a customer, for the customer (GDPR, articles 15 and 20).

One JSON document in pieces: who it is about, what the customer said (consents, objections, restrictions), every record,
from the log who read or changed what, when, for which purpose, and last the accounting of disclosures: to whom outside
of the company, on which ground (GDPR, article 15(1)(c)). Nothing of it is held in memory at once, and no
piece leaves before the entry that names its records is durable. An export of a customer who is erased meanwhile ends
with an error, since what had not left by then is gone.

Corrections are in the history as that, not as what: the log has no values, so an export cannot show an old one.
"""

import json
from collections.abc import AsyncGenerator, Collection
from typing import TYPE_CHECKING, Final

from google.protobuf.json_format import MessageToDict

from vault.audit.entry import Subject
from vault.domain import names
from vault.domain.names import RecordName
from vault.errors import DataLoss, NotFound
from vault.policy.decide import DENIED
from vault.policy.model import Policy
from vault.service.accounting import Reads, ground_of
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.held import Held
from vault.service.opening import Opened
from vault.service.receipts import moment
from vault.service.trail import Event
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED, OUTCOME_FAILED
from vault.store.v1.record_pb2 import CustomerFacts
from vault.v1 import customer_service_pb2 as v1
from vault.v1 import status_pb2 as status

if TYPE_CHECKING:  # They use this themselves.
    from vault.service.parts import Parts

FORMAT: Final = "customer-vault/1 export"
_PAGE = 50
"""Records that are opened for one entry."""
_LINES = 100
"""Lines of history in one piece."""


class Exporting:
    """The part of CustomerService that gives a customer what is known of it."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts

    async def export_customer(
        self, call: Call, request: v1.ExportCustomerRequest
    ) -> AsyncGenerator[v1.ExportCustomerResponse, None]:
        """The document, piece by piece; the customer's own officer is answered whatever is restricted."""
        customer = names.customer_id(request.customer_id)
        name = names.customer_name(customer)
        opened, facts = await self._parts.customer(call, customer)
        await self._log(call, facts, [name], set())
        yield _piece("{" + _members(self._head(call, customer, opened, facts)) + ',\n"records": [')
        first = True
        async for record in self._records(call, name, facts):
            yield _piece(("\n" if first else ",\n") + _json(record))
            first = False
        if await self._parts.store.erased(names.owner_of(name)):
            # Its records went while they were listed: a document that ended well would say that these are all.
            raise NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)
        yield _piece('\n],\n"history": [')
        lines: list[str] = []
        first = True
        reads = Reads()
        async for event in self._parts.trail.events_of(Subject(facts.subject)):
            reads.add(event)
            lines.append(_json(_line(event)))
            if len(lines) == _LINES:
                yield _piece(("\n" if first else ",\n") + ",\n".join(lines))
                first, lines = False, []
        if lines:
            yield _piece(("\n" if first else ",\n") + ",\n".join(lines))
        told = [line for count in reads.counts() if (line := _disclosure(self._parts.policy, count))]
        yield _piece('\n],\n"disclosures": [' + ",".join(f"\n{_json(line)}" for line in told) + "\n]}\n")

    def _head(self, call: Call, customer: str, opened: Opened, facts: CustomerFacts) -> dict[str, object]:
        said = MessageToDict(facts, preserving_proto_field_name=True)
        return {
            "format": FORMAT,
            "vault_id": self._parts.keyring.vault_id.hex(),
            "policy": self._parts.policy.digest.hex(),
            "export_time": moment(call.now),
            "customer": {
                "customer_id": customer,
                "subject": facts.subject.hex(),
                "create_time": moment(facts.create_time),
                "update_time": moment(opened.locked.written_at),
            },
            "statements": {kind: said.get(kind, []) for kind in ("consents", "objections", "restrictions")},
        }

    async def _records(
        self, call: Call, customer: RecordName, facts: CustomerFacts
    ) -> AsyncGenerator[dict[str, object], None]:
        owner, after = names.owner_of(customer), ""
        held = Held(self._parts.keyring, self._parts.policy)
        while rows := await self._parts.store.list_rows(owner, f"{owner}/", after, _PAGE):
            after = rows[-1].record_name
            found = await self._parts.records.open([row.record_name for row in rows], call.now)
            shown = [(name, await held.show(name, opened)) for name, opened in found.items()]
            damaged = {name for name, opened in found.items() if isinstance(opened, DataLoss)}
            await self._log(call, facts, list(found), {f for _, (_, used) in shown for f in used}, damaged)
            for _, (record, _) in shown:
                yield record

    async def _log(
        self,
        call: Call,
        facts: CustomerFacts,
        records: list[RecordName],
        fields: set[str],
        damaged: Collection[RecordName] = (),
    ) -> None:
        """The entry of one page, durable before the page leaves."""
        touched = Touched()
        for name in records:
            touched.read(facts.subject, name, OUTCOME_FAILED if name in damaged else OUTCOME_ALLOWED)
        if records:
            await self._parts.journal.append(call, touched_entry(call, touched, fields=sorted(fields)))


def _disclosure(policy: Policy, count: v1.ReadCount) -> dict[str, object] | None:
    """A line of the accounting of disclosures; None for reads that were none."""
    if not (ground := ground_of(policy, count)):
        return None
    return {
        "recipient": count.caller,
        "roles": sorted(policy.roles_of(count.caller)),
        "purpose": count.purpose,
        "ground": ground,
        "order": count.order_id,
        "fields": list(count.fields),
        "records": count.records,
        "first": moment(count.first_time_ms),
        "last": moment(count.last_time_ms),
    }


def _line(event: Event) -> dict[str, object]:
    return {
        "time": moment(event.time),
        "what": event.kind,
        "caller": event.caller,
        "purpose": event.purpose,
        "action": event.action,
        "records": list(event.records),
        "fields": list(event.fields),
        "order": event.order,
        "log_id": event.log_id,
        "index": event.index,
    }


def _members(document: dict[str, object]) -> str:
    """The members of an object, without its braces."""
    return "\n" + ",\n".join(f"{_json(name)}: {_json(value)}" for name, value in document.items())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _piece(text: str) -> v1.ExportCustomerResponse:
    return v1.ExportCustomerResponse(json=text)
