"""What a caller sealed on its own side: the vault cannot look inside, so it checks everything that shows outside.

Each envelope must be under an epoch that this caller itself published at most 25 hours ago, for exactly the current
audience of each of its fields; sizes and order are those of `crypto.envelope`; a field is sealed once and is not in
plain besides. Whether the value inside is a card is known when billing opens it.
"""

from typing import Any

from vault.crypto import envelope, fields
from vault.errors import FailedPrecondition, InvalidArgument, OpenError
from vault.keyring.epochs import Epochs
from vault.policy.model import Policy
from vault.service.call import Call
from vault.service.kinds import Kind, RecordMessage
from vault.v1 import status_pb2 as status

_MAX_AGE_MS = 25 * 3600 * 1000
_BOX_OVERHEAD = envelope.NONCE_SIZE + envelope.TAG_SIZE


async def check(
    call: Call, policy: Policy, epochs: Epochs, kind: Kind[Any], record: RecordMessage, path: str
) -> set[int]:
    """Check `record.sealed`; the numbers of the fields that are sealed.

    Args:
        call: whose epochs count.
        policy: gives each field's current audience.
        epochs: the published ones.
        kind: of the record.
        record: as the caller sent it.
        path: of the record in the request, for errors.

    Raises:
        InvalidArgument: an envelope is malformed, or a field is not the record's, stands twice, or in plain too.
        FailedPrecondition: the epoch is unknown, not the caller's, too old, or of another audience.
    """
    where = f"{path}.sealed"
    try:
        envelope.check_record(record.sealed)
    except OpenError:
        raise InvalidArgument(where, "must hold whole envelopes with ascending boxes, each field once") from None
    numbers, plain = set(), {field.number for field, _ in fields.plaintexts(record)}
    for sealed in record.sealed:
        audience = await audience_of(call, epochs, sealed.epoch_id)
        for box in sealed.boxes:
            field = kind.by_number.get(box.field)
            if field is None:
                raise InvalidArgument(where, "must seal protected fields of the record")
            if box.field in plain:
                raise InvalidArgument(f"{path}.{field.name}", "must be in plain or sealed, not both")
            size = len(box.ciphertext) - _BOX_OVERHEAD
            if size <= 0 or size % envelope.PAD_BLOCK or size > kind.max_box:
                raise InvalidArgument(
                    where, f"must hold boxes of padded plaintexts of at most {kind.max_box - 1:,} bytes"
                )
            if policy.audience(field.policy_name) != audience:
                raise FailedPrecondition(
                    status.REASON_EPOCH_NOT_USABLE,
                    f"{where}: {field.policy_name} must be sealed for its current audience; fetch the recipients again",
                )
            numbers.add(box.field)
    return numbers


async def audience_of(call: Call, epochs: Epochs, epoch_id: bytes) -> str:
    """The audience of an epoch that the caller may seal under.

    Raises:
        FailedPrecondition: the epoch is unknown, not the caller's, or too old.
    """
    epoch = await epochs.get(epoch_id)
    usable = epoch is not None and epoch.owner == call.caller.spiffe_id and call.now - epoch.published_at <= _MAX_AGE_MS
    if epoch is None or not usable:
        raise FailedPrecondition(
            status.REASON_EPOCH_NOT_USABLE,
            "the envelope's epoch must be one that this caller published in the last 25 hours; publish a new one",
        )
    return epoch.audience
