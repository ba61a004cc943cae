"""ContactService: one contact for each customer."""

from collections.abc import Sequence

from vault.crypto import envelope
from vault.domain import names
from vault.domain.contact import SEARCHABLE
from vault.errors import Conflict, DataLoss, InvalidArgument, NotFound, VaultError
from vault.policy.decide import DENIED, Permit, permit
from vault.service.call import Call
from vault.service.disclosures import under_order
from vault.service.drafts import Draft, contact_draft
from vault.service.entries import Touched, touched_entry
from vault.service.freshness import StaleError
from vault.service.kinds import CONTACT
from vault.service.opening import Opened
from vault.service.outcomes import item_status
from vault.service.paging import DEFAULT_SIZE, SealedTokens
from vault.service.parts import Parts
from vault.service.removal import remove
from vault.service.writing import Change
from vault.storage.port import Item, Result
from vault.v1 import contact_service_pb2 as v1
from vault.v1.records_pb2 import Contact

_ATTEMPTS = 3


class Contacts:
    """Writes, reads, finds and deletes contacts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def put_contact(self, call: Call, request: v1.PutContactRequest) -> v1.PutContactResponse:
        """Create or change the contact; boxes of fields that are not named move over unopened."""
        customer = names.customer_id(request.customer_id)
        mask = _mask(request)
        repeatable, seen = await self._parts.writer.repeat(call, request, request.request_id)
        if seen is not None:
            return v1.PutContactResponse.FromString(seen)
        draft = await contact_draft(self._parts, call, customer, request.contact, "contact")
        changed = _changed(mask)
        for _ in range(_ATTEMPTS):
            unless = await self._parts.holds.unless(names.owner_of(draft.name))
            _, facts = await self._parts.customer(call, customer)
            await self._onto(call, draft, request.etag, mask)
            if draft.replaces:
                await self._parts.holds.check(call, facts, draft.name)
            await self._parts.writer.prepare([draft], call.now)
            put, written, replaced = self._parts.writer.put(draft, call.now)
            response = v1.PutContactResponse()
            shown = response.contact
            shown.record_name, shown.etag = draft.name, put.row.key_id.hex()
            shown.create_time.FromMilliseconds(draft.create_time)
            shown.update_time.FromMilliseconds(call.now)
            change = Change(Item(put.row.owner, (put,)), facts.subject, [(draft.name, written, replaced)])

            def respond(
                results: Sequence[Result], response: v1.PutContactResponse = response
            ) -> v1.PutContactResponse | None:
                return response if results[0] is Result.DONE else None

            try:
                results, replay = await self._parts.journal.commit(
                    call, [change], respond, fields_changed=changed, repeatable=repeatable, unless=unless
                )
            except StaleError:
                continue
            if replay is not None:
                return v1.PutContactResponse.FromString(replay)
            if results[0] is Result.DONE:
                return response
            if results[0] is Result.ERASED:
                raise NotFound(DENIED)
            if request.etag:
                break
        raise Conflict("contact: another write came first; read it again")

    async def _onto(self, call: Call, draft: Draft, etag: str, mask: frozenset[str]) -> None:
        """Put a draft onto the version that is there now."""
        old = (await self._parts.records.open([draft.name], call.now)).get(draft.name)
        if isinstance(old, DataLoss):
            raise old
        if etag and (old is None or old.row.key_id.hex() != etag):
            raise Conflict("etag: is not the contact's newest; read it again")
        draft.replaces = old
        draft.kept, draft.carry = [], ()
        draft.create_time = call.now
        if old is not None:
            before = Contact.FromString(old.record.unprotected)
            draft.create_time = before.create_time.ToMilliseconds()
            if mask:
                _keep(draft, old, mask)

    async def get_contact(self, call: Call, request: v1.GetContactRequest) -> v1.GetContactResponse:
        """One contact."""
        customer = names.customer_id(request.customer_id)
        allowed = await self._permit(call, request)
        response = v1.GetContactResponse()
        name = names.contact_name(customer)
        (result,) = await self._parts.reader.read(call, allowed, CONTACT, [name], iter([response.contact]))
        if isinstance(result, VaultError):
            raise result
        return response

    async def batch_get_contacts(self, call: Call, request: v1.BatchGetContactsRequest) -> v1.BatchGetContactsResponse:
        """Many contacts, in order; each miss is reported."""
        wanted = [
            names.contact_name(names.customer_id(text, f"customer_ids[{at}]"))
            for at, text in enumerate(request.customer_ids)
        ]
        allowed = await self._permit(call, request)
        response = v1.BatchGetContactsResponse()
        places = (response.results.add().contact for _ in wanted)
        for at, result in enumerate(await self._parts.reader.read(call, allowed, CONTACT, wanted, places)):
            if isinstance(result, VaultError):
                # Of the two, a result holds the one that was set last: a contact that was begun is gone.
                response.results[at].error.CopyFrom(item_status(result))
        return response

    async def _permit(self, call: Call, request: v1.GetContactRequest | v1.BatchGetContactsRequest) -> Permit:
        mask = request.read_mask.paths
        allowed = permit(self._parts.policy, call.caller, request.purpose, "contact", mask)
        return await under_order(self._parts.orders, call, allowed, request.order_id, mask, "contact")

    async def find_contacts(self, call: Call, request: v1.FindContactsRequest) -> v1.FindContactsResponse:
        """Exact search; a hit is checked against the opened value, so a token that collides finds nothing.

        A hit that the customer's facts forbid reads like no hit: it fills no place of the page, and the page token
        cannot be read by its bearer.
        """
        key: str = request.WhichOneof("key") or ""
        policy, mask = self._parts.policy, list(request.read_mask.paths)
        # What may be searched by is what may be read: else a search would be a way to ask for a hidden field.
        permit(policy, call.caller, request.purpose, "contact", [key])
        permit(policy, call.caller, request.purpose, "contact", mask)
        allowed = permit(policy, call.caller, request.purpose, "contact", mask and sorted({*mask, key}))
        tokens = self._parts.writer.tokens(key, getattr(request, key))
        limit = request.page_size or DEFAULT_SIZE
        tokens_page = SealedTokens(self._parts.keyring.vault_keys, f"FindContacts.{key}")
        after = tokens_page.name_after(request.page_token)
        response = v1.FindContactsResponse()
        while found := await self._parts.store.find(f"contact.{key}", tokens, after, limit):
            for result in await self._parts.reader.read(call, allowed, CONTACT, found):
                if isinstance(result, Contact) and self._matches(key, getattr(request, key), result):
                    if mask and key not in mask:
                        setattr(result, key, "")
                    response.contacts.append(result)
                if len(response.contacts) == limit:
                    # A page may end in the middle of what was found; the next begins after its last contact.
                    response.next_page_token = tokens_page.token_after(response.contacts[-1].record_name)
                    return response
            after = found[-1]
        if not call.logged:
            await self._parts.journal.append(call, touched_entry(call, Touched(), purpose=allowed.purpose))
        return response

    def _matches(self, key: str, value: str, contact: Contact) -> bool:
        held = getattr(contact, key)
        return bool(held) and self._parts.writer.tokens(key, held) == self._parts.writer.tokens(key, value)

    async def delete_contact(self, call: Call, request: v1.DeleteContactRequest) -> v1.DeleteContactResponse:
        """Take the contact out and destroy its key."""
        customer = names.customer_id(request.customer_id)
        return await remove(
            self._parts,
            call,
            request,
            names.contact_name(customer),
            v1.DeleteContactResponse(),
        )


def _mask(request: v1.PutContactRequest) -> frozenset[str]:
    mask = frozenset(request.update_mask.paths)
    if not mask <= set(CONTACT.by_name):
        raise InvalidArgument("update_mask", "must name protected fields of the contact")
    for name in CONTACT.by_name:
        if mask and name not in mask and getattr(request.contact, name):
            raise InvalidArgument(f"contact.{name}", "is given but not in the update_mask")
    sealed = {
        CONTACT.by_number[b.field].name for e in request.contact.sealed for b in e.boxes if b.field in CONTACT.by_number
    }
    if mask and not sealed <= mask:
        raise InvalidArgument("contact.sealed", "seals a field that is not in the update_mask")
    return mask


def _changed(mask: frozenset[str]) -> list[str]:
    return sorted(f.policy_name for f in CONTACT.by_name.values() if not mask or f.name in mask)


def _keep(draft: Draft, old: Opened, mask: frozenset[str]) -> None:
    stays = {f.number for f in CONTACT.by_name.values() if f.name not in mask}
    draft.kept = [kept for e in old.record.envelopes if (kept := envelope.keep_boxes(e, stays))]
    draft.carry = tuple(f"contact.{name}" for name in SEARCHABLE if name not in mask)
