"""A vault in memory behind a real gRPC server: it answers as the API says, and lies when a test tells it to.

It keeps what callers sealed as it came, seals contacts for its purposes itself, and signs a checkpoint for every
answer. `before` and `after` are where a test breaks something: a function of the request, and one of request and
answer, by method name. `cut` ends calls with a code and nothing else, as a connection that breaks does.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pkgutil import iter_modules
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from vault import v1
from vault.crypto import epoch, fields
from vault.crypto.envelope import Step
from vault.crypto.hpke import PurposeKeyPair, Recipient, new_seed
from vault.crypto.merkle import Frontier, LeafHash, RootHash, consistency_proof, leaf_hash, root_of
from vault.crypto.note import Checkpoint, LogKey, sign_checkpoint
from vault.domain import names
from vault.domain.audience import members
from vault.domain.fields import ALL_FIELDS, protected_fields
from vault.domain.secret import Secret
from vault.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, VaultError
from vault.server import status as server_status
from vault.v1 import audit_service_pb2, contact_service_pb2, customer_service_pb2, key_service_pb2, payment_service_pb2
from vault.v1 import policy_service_pb2 as policy
from vault.v1 import status_pb2 as status
from vault.v1.records_pb2 import Card, Contact

VAULT_ID = bytes(range(16))
ORIGIN = "vault.example/log-0"
BILLING = "payment_processing"
MAIL = "mail_delivery"
ADDRESS = "account_service+payment_processing+service_provisioning"
REACH = "account_service+service_provisioning"
NOW_MS = 1_790_000_000_123


def audience_of(field: str) -> str:
    """The audience of a field in the fake's policy."""
    if field.startswith("payment."):
        return BILLING
    if field.startswith("mail."):
        return MAIL
    return REACH if field in ("contact.phone", "contact.email") else ADDRESS


AUDIENCES = {name: audience_of(name) for name in ALL_FIELDS if name.startswith(("payment.", "contact.", "mail."))}

Before = Callable[[Any], Any]
After = Callable[[Any, Any], None]


def api_methods() -> Iterator[MethodDescriptor]:
    """Every method of the API, found by folder so that a new service cannot be left out."""
    for module in iter_modules(v1.__path__):
        if module.name.endswith("_service_pb2"):
            file = import_module(f"{v1.__name__}.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                yield from service.methods


class FakeVault:
    """The server's side, as far as an SDK can see it."""

    def __init__(self) -> None:
        self.log = LogKey(Secret(b"l" * 32))
        self.size = 0
        self.pairs = {p: PurposeKeyPair(new_seed()) for p in (BILLING, MAIL, "account_service", "service_provisioning")}
        self.registered: dict[bytes, PurposeKeyPair | bytes] = {}
        self.epochs: dict[bytes, tuple[str, dict[bytes, bytes]]] = {}
        self.cards: dict[str, Card] = {}
        self.contacts: dict[str, Contact] = {}
        self.customers: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.requests: dict[str, list[Any]] = defaultdict(list)
        self.remaining: list[float | None] = []
        self.before: dict[str, Before] = {}
        self.after: dict[str, After] = {}
        self.cut: dict[str, list[grpc.StatusCode]] = defaultdict(list)
        self.under_way, self.most_under_way = 0, 0
        self.note: Callable[[int], bytes] = self.checkpoint
        self.history = (0, b"")
        self._trees: dict[tuple[int, bytes], tuple[list[LeafHash], Frontier]] = {}
        self.target = ""
        self._server: grpc.aio.Server | None = None
        self._steps: dict[str, Step] = {}

    # --- the server -------------------------------------------------------------------------------------------------

    async def start(self, target: str = "127.0.0.1:0") -> None:
        """Listen on a free port, or on the one of before."""
        self._server = grpc.aio.server()
        services: dict[str, dict[str, Any]] = defaultdict(dict)
        for method in api_methods():
            if serve := getattr(self, method.name, None):
                handler = self.handler(method, serve)
                services[method.containing_service.full_name][method.name] = handler
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, handlers) for name, handlers in services.items()]
        )
        port = self._server.add_insecure_port(target)
        self.target = f"127.0.0.1:{port}"
        await self._server.start()

    def handler(self, method: MethodDescriptor, serve: Any) -> Any:
        """What gRPC calls."""
        decode = message_factory.GetMessageClass(method.input_type).FromString
        return grpc.unary_unary_rpc_method_handler(
            self._path(method.name, serve), decode, lambda m: m.SerializeToString()
        )

    async def stop(self) -> None:
        """Close the port."""
        if self._server:
            await self._server.stop(None)

    def _path(self, name: str, serve: Callable[[Any], Message]) -> Callable[[Any, Any], Any]:
        async def handler(request: Any, context: Any) -> Any:
            self.calls[name] += 1
            self.requests[name].append(request)
            self.remaining.append(context.time_remaining())
            if self.cut[name]:
                await context.abort(self.cut[name].pop(0), "cut")
            turn = name != "GetConsistencyProof"  # it waits for none, and is not logged
            self.size += turn
            context.set_trailing_metadata((("vault-checkpoint-bin", self.note(self.size)),))
            self.under_way += turn
            self.most_under_way = max(self.most_under_way, self.under_way)
            try:
                if before := self.before.get(name):
                    waiting = before(request)
                    if waiting is not None:
                        await waiting
                answer = serve(request)
            except VaultError as error:
                rich = server_status.of(error, "c0ffee")
                details = ((server_status.DETAILS_KEY, rich.SerializeToString()),)
                context.set_trailing_metadata((*details, ("vault-checkpoint-bin", self.note(self.size))))
                await context.abort(server_status.code(error), rich.message)
            finally:
                self.under_way -= turn
            if after := self.after.get(name):
                after(request, answer)
            return answer

        return handler

    def checkpoint(self, size: int, root: bytes = b"") -> bytes:
        """The signed note of the log at a size."""
        root = root or self._root(size)
        return sign_checkpoint(Checkpoint(ORIGIN, size, RootHash(root)), self.log).encode()

    def leaves(self, size: int) -> list[LeafHash]:
        """The log's leaf hashes up to a size; `history` says from which index on they are others, and its mark."""
        begins, mark = self.history
        leaves, tree = self._trees.setdefault(self.history, ([], Frontier()))
        for i in range(len(leaves), size):
            leaves.append(leaf_hash(mark * (i >= begins) + i.to_bytes(8, "big")))
            tree.append(leaves[-1])
        return leaves[:size]

    def _root(self, size: int) -> RootHash:
        """Cheap for the newest size, which is the one that is asked for thousands of times."""
        leaves = self.leaves(size)
        tree = self._trees[self.history][1]
        return tree.root() if tree.size == size else root_of(leaves)

    # --- keys -------------------------------------------------------------------------------------------------------

    def GetRecipients(self, request: key_service_pb2.GetRecipientsRequest) -> key_service_pb2.GetRecipientsResponse:
        """Audiences and public keys."""
        answer = key_service_pb2.GetRecipientsResponse(vault_id=VAULT_ID)
        purposes = set()
        for name in request.fields or AUDIENCES:
            answer.audiences.add(field=name, audience=AUDIENCES[name])
            purposes |= set(members(AUDIENCES[name]))
        for purpose in sorted(purposes):
            pair = self.pairs[purpose]
            answer.recipients.add(purpose=purpose, version=1, public_key=pair.public_key, fingerprint=pair.fingerprint)
        return answer

    def PublishEpoch(self, request: key_service_pb2.PublishEpochRequest) -> key_service_pb2.PublishEpochResponse:
        """Insert-only; one stanza for each member."""
        wanted = {(p, bytes(self.pairs[p].fingerprint)) for p in members(request.audience)}
        if {(s.purpose, s.fingerprint) for s in request.stanzas} != wanted:
            raise InvalidArgument("stanzas", "must be one for each member of the audience, to its active key")
        if request.epoch_id in self.epochs:
            raise AlreadyExists("the epoch is there")
        self.epochs[request.epoch_id] = (request.audience, {s.fingerprint: s.sealed for s in request.stanzas})
        return key_service_pb2.PublishEpochResponse()

    def GetEpochKeys(self, request: key_service_pb2.GetEpochKeysRequest) -> key_service_pb2.GetEpochKeysResponse:
        """By id, or page by page as the service does: filtered after the page was cut."""
        answer = key_service_pb2.GetEpochKeysResponse()
        asked = list(request.epoch_ids)
        if not asked:
            later = [e for e in sorted(self.epochs) if e.hex() > request.page_token][: request.page_size]
            asked = [e for e in later if request.missing_fingerprint not in self.epochs[e][1]]
            answer.next_page_token = later[-1].hex() if len(later) == request.page_size else ""
        for epoch_id in asked:
            audience, stanzas = self.epochs.get(epoch_id, ("", {}))
            if request.fingerprint in stanzas:
                answer.epoch_keys.add(
                    vault_id=VAULT_ID,
                    epoch_id=epoch_id,
                    audience=audience,
                    purpose=request.purpose,
                    fingerprint=request.fingerprint,
                    stanza=stanzas[request.fingerprint],
                )
        return answer

    def RegisterPurposeKey(
        self, request: key_service_pb2.RegisterPurposeKeyRequest
    ) -> key_service_pb2.RegisterPurposeKeyResponse:
        """Take any key."""
        fingerprint = hashlib.sha256(request.public_key).digest()
        self.registered[fingerprint] = request.public_key
        key = key_service_pb2.PurposeKey(purpose=request.purpose, version=2, fingerprint=fingerprint)
        return key_service_pb2.RegisterPurposeKeyResponse(key=key)

    def ResealEpochs(self, request: key_service_pb2.ResealEpochsRequest) -> key_service_pb2.ResealEpochsResponse:
        """Insert-only."""
        added = 0
        for item in request.stanzas:
            stanzas = self.epochs[item.epoch_id][1]
            added += item.stanza.fingerprint not in stanzas
            stanzas.setdefault(item.stanza.fingerprint, item.stanza.sealed)
        return key_service_pb2.ResealEpochsResponse(added=added, unchanged=len(request.stanzas) - added)

    def ListKeys(self, _request: key_service_pb2.ListKeysRequest) -> key_service_pb2.ListKeysResponse:
        """The vault's id and nothing else."""
        return key_service_pb2.ListKeysResponse(vault_id=VAULT_ID)

    def step_of(self, audience: str) -> Step:
        """The vault's own epoch of an audience, published as everyone's."""
        if audience not in self._steps:
            secret = epoch.new_epoch_secret()
            epoch_id = epoch.epoch_id(secret, VAULT_ID, audience)
            stanzas: dict[bytes, bytes] = {}
            for purpose in members(audience):
                pair = self.pairs[purpose]
                recipient = Recipient(pair.public_key)
                stanzas[pair.fingerprint] = epoch.seal_stanza(secret, VAULT_ID, audience, purpose, recipient)
            self.epochs[epoch_id] = (audience, stanzas)
            self._steps[audience] = Step(audience, epoch_id, 3, epoch.step_key(secret, 3))
        return self._steps[audience]

    def forget_epochs(self) -> None:
        """Seal under new epochs from now on."""
        self._steps.clear()

    def sealed(self, name: str, record: Card | Contact) -> list[Any]:
        """The envelopes of a record given in plain."""
        return fields.seal(VAULT_ID, name, fields.plaintexts(record), AUDIENCES, self.step_of)

    # --- records ----------------------------------------------------------------------------------------------------

    def store_card(self, name: str, card: Card) -> Card:
        """Keep a card as it came if it is sealed, else sealed by the vault; the answer has no value."""
        if name in self.cards:
            raise AlreadyExists("a record with this name exists already")
        for envelope in card.sealed:
            if envelope.epoch_id not in self.epochs:
                raise FailedPrecondition(status.REASON_EPOCH_NOT_USABLE, "publish a new one")
        kept = Card(record_name=name, etag="00" * 16, sealed=card.sealed or self.sealed(name, card))
        kept.create_time.FromMilliseconds(NOW_MS)
        kept.update_time.FromMilliseconds(NOW_MS)
        self.cards[name] = kept
        shown = Card()
        shown.CopyFrom(kept)
        shown.ClearField("sealed")
        return shown

    def CreateCustomer(
        self, request: customer_service_pb2.CreateCustomerRequest
    ) -> customer_service_pb2.CreateCustomerResponse:
        """A customer with contact and cards."""
        if request.customer_id in self.customers:
            raise AlreadyExists("a record with this name exists already")
        answer = customer_service_pb2.CreateCustomerResponse()
        answer.customer.customer_id = request.customer_id
        if request.HasField("contact"):
            self.contacts[request.customer_id] = request.contact
            answer.record_names.append(f"customers/{request.customer_id}/contact")
        for card in request.cards:
            answer.record_names.append(self.store_card(card.record_name, card).record_name)
        self.customers.add(request.customer_id)
        return answer

    def BatchCreateCustomers(
        self, request: customer_service_pb2.BatchCreateCustomersRequest
    ) -> customer_service_pb2.BatchCreateCustomersResponse:
        """Each on its own; a contact in XC is refused."""
        answer = customer_service_pb2.BatchCreateCustomersResponse()
        for at, item in enumerate(request.requests):
            try:
                if item.contact.country_code == "XC":
                    raise InvalidArgument(f"requests[{at}].contact.country_code", "must be a country")
                answer.results.add(created=self.CreateCustomer(item))
            except VaultError as error:
                code = server_status.code(error).value[0]
                field = getattr(error, "field", "")
                answer.results.add().error.CopyFrom(
                    status.ItemStatus(code=code, reason=error.reason, message=str(error), field=field)
                )
        return answer

    def GetCustomer(self, request: customer_service_pb2.GetCustomerRequest) -> customer_service_pb2.GetCustomerResponse:
        """The customer's id."""
        answer = customer_service_pb2.GetCustomerResponse()
        answer.customer.customer_id = request.customer_id
        return answer

    def EraseCustomer(
        self, request: customer_service_pb2.EraseCustomerRequest
    ) -> customer_service_pb2.EraseCustomerResponse:
        """Forget."""
        self.customers.discard(request.customer_id)
        receipt = customer_service_pb2.ErasureReceipt(customer_id=request.customer_id, keys_destroyed=3)
        return customer_service_pb2.EraseCustomerResponse(receipt=receipt)

    def AddCard(self, request: payment_service_pb2.AddCardRequest) -> payment_service_pb2.AddCardResponse:
        """One card."""
        name = f"customers/{request.customer_id}/cards/{request.card_id}"
        return payment_service_pb2.AddCardResponse(card=self.store_card(name, request.card))

    def GetCard(self, request: payment_service_pb2.GetCardRequest) -> payment_service_pb2.GetCardResponse:
        """As it was sealed."""
        if request.record_name not in self.cards:
            raise NotFound("there is nothing that you may know of")
        return payment_service_pb2.GetCardResponse(card=self.cards[request.record_name])

    def BatchGetCards(
        self, request: payment_service_pb2.BatchGetCardsRequest
    ) -> payment_service_pb2.BatchGetCardsResponse:
        """As they were sealed, in order."""
        answer = payment_service_pb2.BatchGetCardsResponse()
        for name in request.record_names:
            if name in self.cards:
                answer.results.add(card=self.cards[name])
            else:
                answer.results.add().error.code = 5
        return answer

    def ListCards(self, request: payment_service_pb2.ListCardsRequest) -> payment_service_pb2.ListCardsResponse:
        """Two to a page; without envelopes for who may not read them."""
        mine = sorted(
            n for n in self.cards if n.startswith(f"customers/{request.customer_id}/") and n > request.page_token
        )
        answer = payment_service_pb2.ListCardsResponse(cards=[self.cards[n] for n in mine[:2]])
        answer.next_page_token = mine[1] if len(mine) > 2 else ""
        if request.purpose != BILLING:
            for card in answer.cards:
                card.ClearField("sealed")
        return answer

    def DeleteCard(self, request: payment_service_pb2.DeleteCardRequest) -> payment_service_pb2.DeleteCardResponse:
        """Forget."""
        del self.cards[request.record_name]
        return payment_service_pb2.DeleteCardResponse()

    def PutContact(self, request: contact_service_pb2.PutContactRequest) -> contact_service_pb2.PutContactResponse:
        """Replace the contact, whatever the mask says."""
        self.contacts[request.customer_id] = request.contact
        shown = Contact(record_name=f"customers/{request.customer_id}/contact", etag="11" * 16)
        return contact_service_pb2.PutContactResponse(contact=shown)

    def GetContact(self, request: contact_service_pb2.GetContactRequest) -> contact_service_pb2.GetContactResponse:
        """In plain, or as envelopes for billing."""
        if request.customer_id not in self.contacts:
            raise NotFound("there is nothing that you may know of")
        return contact_service_pb2.GetContactResponse(
            contact=self._shown(request.customer_id, request.purpose, request.read_mask.paths)
        )

    def _shown(self, customer: str, purpose: str, mask: Any) -> Any:
        name = names.contact_name(names.customer_id(customer))
        contact: Any = Contact()
        contact.CopyFrom(self.contacts[customer])
        for field in protected_fields(Contact):
            if mask and field not in mask:
                contact.ClearField(field)
        if purpose == BILLING:
            contact.sealed.extend(e for e in self.sealed(name, contact) if BILLING in self.epochs[e.epoch_id][0])
            fields.clear_protected(contact)
        contact.record_name, contact.etag = name, "22" * 16
        return contact

    def BatchGetContacts(
        self, request: contact_service_pb2.BatchGetContactsRequest
    ) -> contact_service_pb2.BatchGetContactsResponse:
        """In order."""
        answer = contact_service_pb2.BatchGetContactsResponse()
        for customer in request.customer_ids:
            if customer in self.contacts:
                answer.results.add(contact=self._shown(customer, request.purpose, request.read_mask.paths))
            else:
                answer.results.add().error.code = 5
        return answer

    def FindContacts(
        self, request: contact_service_pb2.FindContactsRequest
    ) -> contact_service_pb2.FindContactsResponse:
        """By equality."""
        key = request.WhichOneof("key") or ""
        answer = contact_service_pb2.FindContactsResponse()
        for customer, contact in sorted(self.contacts.items()):
            if getattr(contact, key) == getattr(request, key):
                answer.contacts.append(self._shown(customer, request.purpose, request.read_mask.paths))
        return answer

    def DeleteContact(
        self, request: contact_service_pb2.DeleteContactRequest
    ) -> contact_service_pb2.DeleteContactResponse:
        """Forget."""
        del self.contacts[request.customer_id]
        return contact_service_pb2.DeleteContactResponse()

    # --- log and policy ---------------------------------------------------------------------------------------------

    def ListEntries(self, request: audit_service_pb2.ListEntriesRequest) -> audit_service_pb2.ListEntriesResponse:
        """Seven entries, three to a page."""
        start = int(request.page_token or request.start_index)
        answer = audit_service_pb2.ListEntriesResponse()
        for index in range(start, min(start + 3, 7)):
            answer.entries.add(log_id="log-0", index=index, entry=b"entry")
        answer.next_page_token = str(start + 3) if start + 3 < 7 else ""
        return answer

    def GetCheckpoint(
        self, _request: audit_service_pb2.GetCheckpointRequest
    ) -> audit_service_pb2.GetCheckpointResponse:
        """The note that the answer carries too."""
        return audit_service_pb2.GetCheckpointResponse(log_id="log-0", checkpoint=self.note(self.size).decode())

    def GetInclusionProof(
        self, request: audit_service_pb2.GetInclusionProofRequest
    ) -> audit_service_pb2.GetInclusionProofResponse:
        """One without hashes."""
        return audit_service_pb2.GetInclusionProofResponse(
            index=request.index, checkpoint=self.note(self.size).decode()
        )

    def GetConsistencyProof(
        self, request: audit_service_pb2.GetConsistencyProofRequest
    ) -> audit_service_pb2.GetConsistencyProofResponse:
        """Of the history that it has now."""
        answer = audit_service_pb2.GetConsistencyProofResponse(log_id=request.log_id)
        for first, second in pairwise(request.tree_sizes):
            hashes = consistency_proof(self.leaves(second), first)
            answer.proofs.add(first_size=first, second_size=second, hashes=hashes)
        return answer

    def GetPolicy(self, _request: policy.GetPolicyRequest) -> policy.GetPolicyResponse:
        """One purpose."""
        return policy.GetPolicyResponse(purposes=[policy.PurposeRule(purpose=BILLING, custody="caller")])

    def ExplainAccess(self, request: policy.ExplainAccessRequest) -> policy.ExplainAccessResponse:
        """Billing may read cards."""
        return policy.ExplainAccessResponse(allowed=request.purpose == BILLING, purpose=request.purpose)
