"""The vault opens for itself what a write must add to: an account's history, a month of a customer's log.

Nothing of it leaves with an answer, so no purpose is asked for and no condition holds it back: a customer whose data
are restricted still has a log to be continued ("with the exception of storage", GDPR article 18). What is opened are
the fields that the change is about, under a purpose of their audience that is in the vault's custody. If a policy gives
a field to callers alone, the vault cannot add to it, and says so.
"""

from collections.abc import Collection

from vault.crypto import envelope, fields
from vault.domain.audience import Custody, Purpose
from vault.domain.fields import ProtectedField
from vault.errors import DataLoss, FailedPrecondition, OpenError
from vault.service.kinds import Kind, M
from vault.service.opening import Opened
from vault.service.parts import Parts
from vault.v1 import status_pb2 as status
from vault.v1.envelope_pb2 import Envelope

_LOST = "the record to be continued does not open; the entry in the log names it"


async def open_own(parts: Parts, kind: Kind[M], opened: Opened, wanted: Collection[str]) -> M:
    """A record's message with these of its protected fields in plain.

    Args:
        parts: of the process.
        kind: of the record.
        opened: the record, behind its first lock.
        wanted: names of fields in the message.

    Raises:
        DataLoss: a box does not open.
        FailedPrecondition: the vault has the key of no purpose of the field's audience.
    """
    record = kind.message()
    numbers = {kind.by_name[name].number: kind.by_name[name] for name in wanted}
    for sealed, found in opened.envelopes:
        here = {n: f for n, f in numbers.items() if n in found}
        if here:
            try:
                for field, plaintext in await _boxes(parts, opened, sealed, here):
                    fields.put(record, field, plaintext)
            except OpenError:
                raise DataLoss(_LOST) from None
    return record


async def _boxes(
    parts: Parts, opened: Opened, sealed: Envelope, wanted: dict[int, ProtectedField]
) -> list[tuple[ProtectedField, bytes]]:
    epoch = await parts.keyring.epochs.get(sealed.epoch_id)
    if epoch is None:
        raise DataLoss(_LOST)
    purpose = next((p for p in map(Purpose, sorted(epoch.members)) if _opens(parts, p)), None)
    if purpose is None:
        raise FailedPrecondition(
            status.REASON_KEY_REFUSED, "the policy gives this field to callers alone, so the vault cannot add to it"
        )
    keyring = parts.keyring
    secret = (await keyring.opening.secrets(purpose, [epoch])).get(sealed.epoch_id)
    step = keyring.opening.step(purpose, epoch, secret, sealed.step)
    return envelope.open_boxes(keyring.vault_id, step, opened.locked.record_name, sealed, wanted)


def _opens(parts: Parts, purpose: Purpose) -> bool:
    rule = parts.policy.purposes.get(purpose)
    return rule is not None and rule.custody is Custody.VAULT
