"""PaymentService: cards. What leaves here is sealed for billing; the vault has no key that opens it."""

from vault.domain import names
from vault.errors import DataLoss, NotFound, VaultError
from vault.policy.decide import DENIED, permit, permit_listing
from vault.service.call import Call
from vault.service.drafts import card_draft
from vault.service.entries import NO_DIGEST, Touched, touched_entry
from vault.service.kinds import CARD
from vault.service.opening import Opened, customer_facts, policy_facts
from vault.service.outcomes import item_status, refused
from vault.service.paging import DEFAULT_SIZE, name_after, token_after
from vault.service.parts import Parts
from vault.service.removal import remove
from vault.service.writing import Change
from vault.storage.port import Item, Result
from vault.v1 import payment_service_pb2 as v1
from vault.v1 import status_pb2 as status
from vault.v1.records_pb2 import Card


class Payments:
    """Adds, reads, lists and deletes cards."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def add_card(self, call: Call, request: v1.AddCardRequest) -> v1.AddCardResponse:
        """Add a card, in plain or sealed by the caller."""
        customer = names.customer_id(request.customer_id)
        writer = self._parts.writer
        repeatable, seen = await writer.repeat(call, request, request.request_id, [request.card])
        if seen is not None:
            return v1.AddCardResponse.FromString(seen)
        draft = await card_draft(self._parts, call, customer, request.card, "card", request.card_id)
        _, facts = await self._parts.customer(call, customer)
        await writer.prepare([draft], call.now)
        put, written, _ = writer.put(draft, call.now)
        response = v1.AddCardResponse()
        shown = response.card
        shown.record_name, shown.etag = draft.name, put.row.key_id.hex()
        shown.create_time.FromMilliseconds(call.now)
        shown.update_time.FromMilliseconds(call.now)
        results, replay = await self._parts.journal.commit(
            call,
            [Change(Item(put.row.owner, (put,)), facts.subject, [(draft.name, written, NO_DIGEST)])],
            lambda results: response if results[0] is Result.DONE else None,
            fields_changed=sorted(draft.fields()),
            repeatable=repeatable,
        )
        if replay is not None:
            return v1.AddCardResponse.FromString(replay)
        if results[0] is Result.ERASED:
            raise NotFound(DENIED)
        if results[0] is not Result.DONE:
            raise refused(results[0])
        return response

    async def get_card(self, call: Call, request: v1.GetCardRequest) -> v1.GetCardResponse:
        """One card, as envelopes for the purpose."""
        _, name = names.parse_card_name(request.record_name)
        allowed = permit(self._parts.policy, call.caller, request.purpose, "payment", request.read_mask.paths)
        response = v1.GetCardResponse()
        (result,) = await self._parts.reader.read(call, allowed, CARD, [name], iter([response.card]))
        if isinstance(result, VaultError):
            raise result
        return response

    async def batch_get_cards(self, call: Call, request: v1.BatchGetCardsRequest) -> v1.BatchGetCardsResponse:
        """Many cards, in order; each miss is reported."""
        wanted = [names.parse_card_name(text, f"record_names[{at}]")[1] for at, text in enumerate(request.record_names)]
        allowed = permit(self._parts.policy, call.caller, request.purpose, "payment", request.read_mask.paths)
        response = v1.BatchGetCardsResponse()
        places = (response.results.add().card for _ in wanted)
        for at, result in enumerate(await self._parts.reader.read(call, allowed, CARD, wanted, places)):
            if isinstance(result, VaultError):
                # Of the two, a result holds the one that was set last: a card that was begun is gone.
                response.results[at].error.CopyFrom(item_status(result))
        return response

    async def list_cards(self, call: Call, request: v1.ListCardsRequest) -> v1.ListCardsResponse:
        """A customer's cards; names and times alone for a caller without the purpose."""
        customer = names.customer_id(request.customer_id)
        policy, mask = self._parts.policy, request.read_mask.paths
        allowed = permit_listing(policy, call.caller, request.purpose, "payment", mask)
        limit = request.page_size or DEFAULT_SIZE
        owner = names.owner_of_customer(customer)
        rows = await self._parts.store.list_rows(owner, f"{owner}/cards/", name_after(request.page_token), limit)
        # An empty listing asks for the customer all the same, so that it tells nothing of one who is unknown.
        found = [row.record_name for row in rows]
        response = v1.ListCardsResponse()
        if not found:
            opened = (await self._parts.records.open([names.customer_name(customer)], call.now)).values()
            facts = [customer_facts(each) for each in opened if isinstance(each, Opened)]
            allowed.admit(policy_facts(facts[0], call.now) if facts else None)
            await self._parts.journal.append(call, touched_entry(call, Touched(), purpose=allowed.purpose))
            return response
        for name, result in zip(found, await self._parts.reader.read(call, allowed, CARD, found), strict=True):
            if isinstance(result, Card):
                response.cards.append(result)
            elif isinstance(result, DataLoss):
                response.unreadable.add(record_name=name, error=item_status(result))
            elif not isinstance(result, NotFound) or result.reason == status.REASON_CUSTOMER_NOT_AVAILABLE:
                # A card that went meanwhile is left out; what the customer's facts forbid is refused as a whole.
                raise result
        if len(found) == limit:
            response.next_page_token = token_after(found[-1])
        return response

    async def delete_card(self, call: Call, request: v1.DeleteCardRequest) -> v1.DeleteCardResponse:
        """Take a card out and destroy its key."""
        _, name = names.parse_card_name(request.record_name)
        return await remove(self._parts, call, request, name, v1.DeleteCardResponse())
