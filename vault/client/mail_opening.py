"""From what the vault gives out of a message to what the mail system sealed: the envelope, and what opens the body.

The steps of `opening`, and one more: the body stands in the stream and in no box, or one message could have two bodies
and each reader choose another.
"""

from vault.client.epoch_keys import EpochKeys
from vault.client.errors import PinMismatch
from vault.client.fetched import MailEnvelope
from vault.client.opening import Opening, Sealed
from vault.client.pins import Pins
from vault.crypto import fields
from vault.crypto.envelope import check_record
from vault.crypto.stream import Opener
from vault.domain.fields import protected_fields
from vault.domain.names import RecordName
from vault.errors import DataLoss, OpenError, VaultError
from vault.v1.envelope_pb2 import Stream
from vault.v1.records_pb2 import Message

BODY = protected_fields(Message)["body"]
_BOXES = {f.number: f for f in protected_fields(Message).values() if f is not BODY}


class MessageOpening:
    """Opens messages with the mail system's key."""

    def __init__(self, pins: Pins, keys: EpochKeys) -> None:
        self._pins = pins
        self._keys = keys
        self._opening = Opening(pins, keys)

    async def envelope(self, name: RecordName, message: Message) -> MailEnvelope:
        """Sender, recipients and delivery parameters, under the name that was asked for.

        Raises:
            DataLoss: they do not open, or the answer is about another record.
            PinMismatch: they were sealed for others than the pins say.
        """
        if message.record_name != name:
            raise DataLoss("the answer is about another record")
        try:
            check_record(message.sealed, stream_field=BODY.number)
            [opened] = await self._opening.open([Sealed(name, message.sealed)], _BOXES)
            if isinstance(opened, VaultError):
                raise opened
            record = Message()
            for each, plaintext in opened:
                fields.put(record, each, plaintext)
        except OpenError:
            raise DataLoss("the record does not open: it is not what was sealed under this name") from None
        dsn = record.dsn if record.HasField("dsn") else None
        return MailEnvelope(tuple(record.recipients.addresses), record.sender, dsn)

    async def body(self, name: RecordName, stream: Stream, first_chunk: int) -> Opener:
        """What opens a body from a chunk on.

        Raises:
            DataLoss: no key of this caller opens it, or its stream is not what a sealer makes.
            PinMismatch: it was sealed for others than the pins say.
        """
        epoch = (await self._keys.get({stream.epoch_id})).get(stream.epoch_id)
        if epoch is None:
            raise DataLoss("the body does not open: no key of this caller opens its epoch")
        if not self._pins.may_open(BODY.policy_name, epoch.audience):
            raise PinMismatch(f"the audience of {BODY.policy_name}")
        try:
            step = self._keys.step(epoch, stream.step)
            return Opener(self._pins.vault_id, step, name, BODY, stream, first_chunk=first_chunk)
        except OpenError:
            raise DataLoss("the body does not open: its stream is not what a sealer makes") from None
