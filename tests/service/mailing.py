"""The mail system's side of MailService in tests: seals, stores, fetches and opens as an SDK does."""

import hmac
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.abuse.sealer import SealedSide
from tests.vaults import OpenVault
from vault.crypto import envelope, stream
from vault.domain.fields import protected_fields
from vault.domain.ids import new_id
from vault.v1 import mail_service_pb2 as v1
from vault.v1.envelope_pb2 import Envelope, Stream
from vault.v1.records_pb2 import MESSAGE_KIND_MAIL, DeliveryParameters, Message, RecipientList

FIELDS = protected_fields(Message)
BODY = FIELDS["body"]
SENDER = "sender@example.org"
ADDRESSES = ("ann@example.net", "bob@example.net")
MS_PER_DAY = 24 * 3600 * 1000


def token(text: str) -> bytes:
    """A token under a key of the mail system's."""
    return hmac.digest(b"the mail system's", text.encode(), "sha256")[:16]


@dataclass
class Sent:
    """A message as it was sealed."""

    name: str
    header: v1.StoreMessageHeader
    chunks: list[bytes]
    end: v1.StoreMessageEnd

    def parts(self) -> list[v1.StoreMessageRequest]:
        """The requests of the upload."""
        return [
            v1.StoreMessageRequest(header=self.header),
            *(v1.StoreMessageRequest(chunk=chunk) for chunk in self.chunks),
            v1.StoreMessageRequest(end=self.end),
        ]


@dataclass
class Fetched:
    """A message as it was fetched."""

    header: v1.FetchMessageHeader = field(default_factory=v1.FetchMessageHeader)
    chunks: list[bytes] = field(default_factory=list)


class Mailer:
    """The mail system, with an epoch of its own."""

    def __init__(self, opened: OpenVault, side: SealedSide) -> None:
        self.opened, self.side = opened, side

    @classmethod
    async def of(cls, opened: OpenVault) -> "Mailer":
        """With a published epoch."""
        side = SealedSide(opened.parts.keyring, "mail_delivery")
        await opened.call("mail", "KeyService.PublishEpoch", side.publication())
        return cls(opened, side)

    def seal(
        self,
        body: bytes = b"hello",
        owner: str = "domains/example.net",
        message_id: str = "",
        *,
        addresses: Sequence[str] = ADDRESSES,
        dedupe: bytes = b"",
        promise: bool = True,
        request_id: str = "",
    ) -> Sent:
        """Seal a message under a fresh salt."""
        name = f"{owner}/messages/{message_id or new_id()}"
        step = self.side.step()
        values = {
            "sender": SENDER.encode(),
            "recipients": RecipientList(addresses=addresses).SerializeToString(),
            "dsn": DeliveryParameters(ret="HDRS").SerializeToString(),
        }
        boxes = sorted(((FIELDS[key], value) for key, value in values.items()), key=lambda pair: pair[0].number)
        sealer = stream.Sealer(self.side.vault_id, step, name, BODY)
        pieces = [body[at : at + stream.CHUNK_SIZE] for at in range(0, len(body), stream.CHUNK_SIZE)] or [b""]
        chunks = [sealer.seal(piece, last=at == len(pieces) - 1) for at, piece in enumerate(pieces)]
        header = v1.StoreMessageHeader(
            record_name=name,
            request_id=request_id,
            kind=MESSAGE_KIND_MAIL,
            sealed=[envelope.seal(self.side.vault_id, step, name, boxes)],
            stream=sealer.stream,
            recipients=[v1.RecipientTokens(token=token(each), next_hop=token("hop")) for each in addresses],
        )
        end = v1.StoreMessageEnd(chunks=sealer.stream.chunks, length=sealer.stream.length, dedupe_token=dedupe)
        if not promise:
            header.stream.ClearField("chunks")
            header.stream.ClearField("length")
        return Sent(name, header, chunks, end)

    async def send(self, parts: Iterable[v1.StoreMessageRequest]) -> v1.StoreMessageResponse:
        """Upload these parts."""
        answer: v1.StoreMessageResponse = await self._ask("StoreMessage", list(parts))
        return answer

    async def store(self, *args: Any, **kwargs: Any) -> Sent:
        """Seal and upload a message."""
        sent = self.seal(*args, **kwargs)
        await self.send(sent.parts())
        return sent

    async def claim(self, **request: Any) -> v1.ClaimMessagesResponse:
        """Claim up to ten."""
        wanted = v1.ClaimMessagesRequest(**{"max_messages": 10, **request})
        answer: v1.ClaimMessagesResponse = await self._ask("ClaimMessages", wanted)
        return answer

    async def fetch(self, name: str, **request: Any) -> Fetched:
        """Fetch a message."""
        fetched = Fetched()
        wanted = v1.FetchMessageRequest(record_name=name, **request)
        for part in await self._ask("FetchMessage", wanted):
            if part.HasField("header"):
                fetched.header.CopyFrom(part.header)
            else:
                fetched.chunks.append(part.chunk)
        return fetched

    def open(self, name: str, fetched: Fetched, first: int = 0) -> bytes:
        """The body of what was fetched."""
        opener = self.opener(name, fetched.header.stream, first)
        body = b"".join(map(opener.open, fetched.chunks))
        opener.finish()
        return body

    def opener(self, name: str, header: Stream, first: int = 0) -> stream.Opener:
        """Opens the body of a message."""
        return stream.Opener(self.side.vault_id, self.side.step(), name, BODY, header, first_chunk=first)

    def boxes(self, name: str, sealed: Iterable[Envelope]) -> dict[str, bytes]:
        """The opened fields beside the body, by name."""
        wanted = {each.number: each for each in FIELDS.values()}
        return {
            each.name: value
            for one in sealed
            for each, value in envelope.open_boxes(self.side.vault_id, self.side.step(), name, one, wanted)
        }

    async def complete(
        self, name: str, lease: bytes, *places: int, state: Any = v1.RECIPIENT_STATE_DELIVERED, request_id: str = ""
    ) -> v1.CompleteDeliveryResponse:
        """Say that these recipients have it."""
        results = [v1.DeliveryResult(recipient=place, state=state, status="2.0.0") for place in places]
        wanted = v1.CompleteDeliveryRequest(record_name=name, lease_id=lease, results=results, request_id=request_id)
        answer: v1.CompleteDeliveryResponse = await self._ask("CompleteDelivery", wanted)
        return answer

    async def release(self, name: str, lease: bytes, reason: Any, **request: Any) -> v1.ReleaseMessageResponse:
        """Give a message back."""
        wanted = v1.ReleaseMessageRequest(record_name=name, lease_id=lease, reason=reason, **request)
        answer: v1.ReleaseMessageResponse = await self._ask("ReleaseMessage", wanted)
        return answer

    async def get(self, name: str) -> v1.QueuedMessage:
        """How a message stands."""
        answer: v1.GetMessageResponse = await self._ask("GetMessage", v1.GetMessageRequest(record_name=name))
        return answer.message

    async def list(self, **request: Any) -> v1.ListMessagesResponse:
        """A page of the queue."""
        answer: v1.ListMessagesResponse = await self._ask("ListMessages", v1.ListMessagesRequest(**request))
        return answer

    async def extend(self, name: str, lease: bytes, seconds: int = 600) -> v1.ExtendLeaseResponse:
        """Keep a message for longer."""
        wanted = v1.ExtendLeaseRequest(record_name=name, lease_id=lease, lease_seconds=seconds)
        answer: v1.ExtendLeaseResponse = await self._ask("ExtendLease", wanted)
        return answer

    def now(self) -> int:
        """Milliseconds since 1970, as the next call's."""
        return time.time_ns() // 1_000_000 + self.opened.now_shift

    async def _ask(self, method: str, request: Any) -> Any:
        return await self.opened.call("mail", f"MailService.{method}", request)
