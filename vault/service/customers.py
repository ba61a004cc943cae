"""CustomerService: the data subjects.

The customer record holds the facts on which decisions rest. It is a record like any other, under its own lock, so a
customer whose facts do not open is nobody's to read.
"""

import asyncio
from collections.abc import Sequence

from vault.audit.entry import Subject
from vault.domain import names
from vault.domain.names import RecordName
from vault.errors import CallerError, PermissionDenied
from vault.policy.decide import DENIED, permit_call
from vault.service import creating
from vault.service.accounting import reads_of
from vault.service.call import Call
from vault.service.creating import Plan
from vault.service.entries import Touched, touched_entry
from vault.service.erasing import Erasing
from vault.service.exporting import Exporting
from vault.service.opening import Opened
from vault.service.outcomes import item_status, refused
from vault.service.statements import Statements, show
from vault.storage.port import Result
from vault.store.v1.audit_entry_pb2 import OUTCOME_ALLOWED
from vault.v1 import customer_service_pb2 as v1
from vault.v1 import status_pb2 as status

_PAGE = 1000
_FULL = "CustomerService.SetConsent"
"""Who may set what a customer said may see it."""
_AT_ONCE = 8
"""Customers of a batch that are sealed between two breaths of the event loop."""


class Customers(Statements, Exporting, Erasing):
    """Creates, shows and erases customers."""

    async def create_customer(self, call: Call, request: v1.CreateCustomerRequest) -> v1.CreateCustomerResponse:
        """Create one customer in one transaction."""
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id, list(request.cards))
        if seen is not None:
            return v1.CreateCustomerResponse.FromString(seen)
        plan = await creating.plan(self._parts, call, request, "")
        await self._parts.writer.prepare(plan.drafts, call.now)
        change, response = creating.change(self._parts, call, plan)
        results, replay = await self._parts.journal.commit(
            call,
            [change],
            lambda results: response if results[0] is Result.DONE else None,
            fields_changed=creating.changed([plan]),
            repeatable=repeatable,
        )
        if replay is not None:
            return v1.CreateCustomerResponse.FromString(replay)
        if results[0] is not Result.DONE:
            raise refused(results[0])
        return response

    async def batch_create_customers(
        self, call: Call, request: v1.BatchCreateCustomersRequest
    ) -> v1.BatchCreateCustomersResponse:
        """Create many; what is wrong with one item does not touch the others."""
        cards = [card for item in request.requests for card in item.cards]
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id, cards)
        if seen is not None:
            return v1.BatchCreateCustomersResponse.FromString(seen)
        plans: list[Plan | CallerError] = []
        for at, item in enumerate(request.requests):
            try:
                plans.append(await creating.plan(self._parts, call, item, f"requests[{at}]."))
            except CallerError as error:
                plans.append(error)
            if at % _AT_ONCE == 0:
                await asyncio.sleep(0)
        good = [plan for plan in plans if isinstance(plan, Plan)]
        changes = []
        for start in range(0, len(good), _AT_ONCE):
            part = good[start : start + _AT_ONCE]
            await self._parts.writer.prepare([draft for plan in part for draft in plan.drafts], call.now)
            changes += [creating.change(self._parts, call, plan) for plan in part]
            await asyncio.sleep(0)

        def respond(results: Sequence[Result]) -> v1.BatchCreateCustomersResponse:
            done = iter(zip(changes, results, strict=True))
            response = v1.BatchCreateCustomersResponse()
            for plan in plans:
                if isinstance(plan, CallerError):
                    response.results.add(error=item_status(plan))
                    continue
                (_, created), result = next(done)
                if result is Result.DONE:
                    response.results.add(created=created)
                else:
                    response.results.add(error=item_status(refused(result)))
            return response

        results, replay = await self._parts.journal.commit(
            call, [c for c, _ in changes], respond, fields_changed=creating.changed(good), repeatable=repeatable
        )
        return v1.BatchCreateCustomersResponse.FromString(replay) if replay is not None else respond(results)

    async def get_customer(self, call: Call, request: v1.GetCustomerRequest) -> v1.GetCustomerResponse:
        """Names and times; no protected field."""
        if request.full:
            permit_call(self._parts.policy, call.caller, _FULL)
        if request.purpose and request.purpose not in self._parts.policy.purposes_of(call.caller.roles):
            raise PermissionDenied(status.REASON_PURPOSE_NOT_ALLOWED, DENIED)
        customer = names.customer_id(request.customer_id)
        name = names.customer_name(customer)
        opened, facts = await self._parts.customer(call, customer)
        owner = names.owner_of(name)
        found: list[RecordName] = []
        while rows := await self._parts.store.list_rows(owner, f"{name}/", found[-1] if found else "", _PAGE):
            found += [row.record_name for row in rows]
        # A row that does not open is no record of the customer's, whatever its name says.
        readable = await self._parts.records.open(found, call.now)
        found = [name for name in found if isinstance(readable.get(name), Opened)]
        touched = Touched()
        touched.read(facts.subject, name, OUTCOME_ALLOWED)
        await self._parts.journal.append(call, touched_entry(call, touched, purpose=request.purpose))
        response = v1.GetCustomerResponse(record_names=found)
        show(response.customer, customer, opened.row.key_id.hex(), facts.create_time, opened.row.written_at)
        if request.full:
            response.statements.consents.extend(facts.consents)
            response.statements.objections.extend(facts.objections)
            response.statements.restrictions.extend(facts.restrictions)
            response.reads.extend(await reads_of(self._parts.trail, Subject(facts.subject)))
        return response
