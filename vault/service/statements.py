"""SetConsent, SetObjection, RestrictCustomer: what the customer said, as the privacy officer records it.

Each is one new version of the customer record, which holds the facts under its lock with their history; the entry in
the log has the purpose and the digests, not what was said. It counts for every read whose entry would stand behind it
in the log (see `vault.service.freshness`), batches under way included.

Only a purpose whose condition it is can be consented or objected to: a consent on record that decides nothing would be
a promise that the vault does not keep. Lifting a restriction that is not there is refused, so that the history says
what happened.

What is recorded late decides only if nothing was said since. So a permission (a consent, an objection or a restriction
that is lifted) from before the newest statement is refused; a refusal from before it is taken, which errs on the side
of the customer.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vault.audit.entry import Subject
from vault.domain import names, statements
from vault.domain.ids import customer_id, new_id
from vault.domain.pan import is_pan_like
from vault.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound
from vault.policy.decide import DENIED
from vault.policy.model import Condition
from vault.service.call import Call
from vault.service.writing import Change
from vault.storage.port import Item, Result
from vault.store.v1.record_pb2 import CustomerFacts
from vault.v1 import consent_pb2 as said
from vault.v1 import customer_service_pb2 as v1
from vault.v1 import records_pb2 as records
from vault.v1 import status_pb2 as status

if TYPE_CHECKING:
    from vault.service.parts import Parts

_ATTEMPTS = 3
_EARLIEST_MS = 946_684_800_000
"""2000-01-01: a statement before that is a mistake of units."""

Request = v1.SetConsentRequest | v1.SetObjectionRequest | v1.RestrictCustomerRequest
R = TypeVar("R", v1.SetConsentResponse, v1.SetObjectionResponse, v1.RestrictCustomerResponse)


@dataclass(frozen=True, slots=True)
class _Said:
    """A statement in normal form."""

    event_time: int
    channel: said.ConsentChannel.ValueType
    dated: bool
    """Whether the time was given; else it is said now, after all that was said before, whatever clocks did since."""


class Statements:
    """Records what customers say; the part of CustomerService that changes facts."""

    def __init__(self, parts: "Parts") -> None:
        self._parts = parts

    async def set_consent(self, call: Call, request: v1.SetConsentRequest) -> v1.SetConsentResponse:
        """Record that consent was given, refused or withdrawn."""
        self._check_purpose(request.purpose, Condition.CONSENT, "consent")
        spoken = _spoken(call, request.statement)
        given = request.state == said.CONSENT_STATE_GIVEN
        if is_pan_like(request.notice_version):
            raise InvalidArgument("notice_version", "must not look like a card number")
        if given and not request.notice_version:
            raise InvalidArgument("notice_version", "must be given: consent is to what the customer was shown")
        if request.expire_time_ms and not (given and request.expire_time_ms > call.now):
            raise InvalidArgument("expire_time_ms", "must be in the future, and only of a consent that is given")
        event = said.ConsentEvent(
            state=request.state,
            event_time_ms=spoken.event_time,
            notice_version=request.notice_version,
            channel=spoken.channel,
            expire_time_ms=request.expire_time_ms,
            recorded_by=call.caller.spiffe_id,
            record_time_ms=call.now,
        )

        def change(facts: CustomerFacts, response: v1.SetConsentResponse) -> None:
            if given:
                _check_newest(spoken, (c.events for c in facts.consents if c.purpose == request.purpose))
            response.consent.CopyFrom(statements.add_consent(facts, request.purpose, event, new_id()))

        return await self._state(call, request, request.purpose, change, v1.SetConsentResponse)

    async def set_objection(self, call: Call, request: v1.SetObjectionRequest) -> v1.SetObjectionResponse:
        """Record that the customer objects to a purpose, or no more."""
        self._check_purpose(request.purpose, Condition.OBJECTION, "an objection")
        spoken = _spoken(call, request.statement)
        event = said.ObjectionEvent(
            objects=request.objects,
            event_time_ms=spoken.event_time,
            channel=spoken.channel,
            recorded_by=call.caller.spiffe_id,
            record_time_ms=call.now,
        )

        def change(facts: CustomerFacts, response: v1.SetObjectionResponse) -> None:
            if not event.objects:
                _check_newest(spoken, (o.events for o in facts.objections if o.purpose == request.purpose))
            response.objection.CopyFrom(statements.add_objection(facts, request.purpose, event))

        return await self._state(call, request, request.purpose, change, v1.SetObjectionResponse)

    async def restrict_customer(self, call: Call, request: v1.RestrictCustomerRequest) -> v1.RestrictCustomerResponse:
        """Restrict processing to storage and legal claims, or lift that."""
        if request.restricted and not request.ground:
            raise InvalidArgument("ground", "must be given: GDPR article 18(1) knows four")
        spoken = _spoken(call, request.statement)
        event = said.RestrictionEvent(
            restricted=request.restricted,
            ground=request.ground,
            event_time_ms=spoken.event_time,
            channel=spoken.channel,
            recorded_by=call.caller.spiffe_id,
            record_time_ms=call.now,
        )

        def change(facts: CustomerFacts, response: v1.RestrictCustomerResponse) -> None:
            if not event.restricted and not statements.restricted(facts):
                raise FailedPrecondition(status.REASON_STATE, "the customer is not restricted: nothing to lift")
            if not event.restricted:
                _check_newest(spoken, [facts.restrictions])
            response.restriction.CopyFrom(statements.add_restriction(facts, event))

        return await self._state(call, request, "", change, v1.RestrictCustomerResponse)

    def _check_purpose(self, purpose: str, condition: Condition, what: str) -> None:
        rule = self._parts.policy.purposes.get(purpose)  # type: ignore[call-overload]
        if rule is None or rule.condition is not condition:
            raise InvalidArgument("purpose", f"must be one that the policy makes depend on {what}")

    async def _state(
        self,
        call: Call,
        request: Request,
        purpose: str,
        change: Callable[[CustomerFacts, R], None],
        response_type: type[R],
    ) -> R:
        """Write the next version of the customer record; lost races are run again, unless an etag was given."""
        customer = customer_id(request.customer_id)
        name = names.customer_name(customer)
        writer = self._parts.writer
        repeatable, seen = await writer.repeat(call, request, request.request_id)
        if seen is not None:
            return response_type.FromString(seen)
        for _ in range(_ATTEMPTS):
            opened, facts = await self._parts.customer(call, customer)
            if request.etag and opened.row.key_id.hex() != request.etag:
                raise Conflict("etag: is not the customer's newest; read it again")
            response = response_type()
            change(facts, response)
            put, written, replaced = writer.put_facts(name, facts, call.now, opened)
            show(response.customer, customer, put.row.key_id.hex(), facts.create_time, call.now)

            changed = Change(Item(put.row.owner, (put,)), Subject(facts.subject), [(name, written, replaced)])
            results, replay = await self._parts.journal.commit(
                call, [changed], _if_done(response), repeatable=repeatable, purpose=purpose, facts_of=name
            )
            if replay is not None:
                return response_type.FromString(replay)
            if results[0] is Result.DONE:
                return response
            if results[0] is Result.ERASED:
                raise NotFound(DENIED, reason=status.REASON_CUSTOMER_NOT_AVAILABLE)
            if request.etag:
                break
        raise Conflict("customer: another write came first; read it again")


def _if_done(response: R) -> Callable[[Sequence[Result]], R | None]:
    return lambda results: response if results[0] is Result.DONE else None


def show(shown: records.Customer, customer: str, etag: str, created: int, updated: int) -> None:
    """Names, etag and times of a customer."""
    shown.record_name, shown.customer_id, shown.etag = f"customers/{customer}", customer, etag
    shown.create_time.FromMilliseconds(created)
    shown.update_time.FromMilliseconds(updated)


def _check_newest(spoken: _Said, said_before: Iterable[Iterable[Any]]) -> None:
    """Refuse a permission from before what the customer said last, as by a letter that lay about for a week.

    Raises:
        FailedPrecondition: it is one.
    """
    if spoken.dated and any(statements.superseded(events, spoken.event_time) for events in said_before):
        raise FailedPrecondition(
            status.REASON_STATE, "the customer has said something since: what was said last counts"
        )


def _spoken(call: Call, statement: said.Statement) -> _Said:
    """When and how the customer said it.

    Raises:
        InvalidArgument: at no possible time.
    """
    at = statement.event_time_ms or call.now
    if not _EARLIEST_MS <= at <= call.now:
        raise InvalidArgument("statement.event_time_ms", "must be in milliseconds since 1970, and not in the future")
    return _Said(at, statement.channel, dated=bool(statement.event_time_ms))
