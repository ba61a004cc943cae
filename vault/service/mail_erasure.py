"""What an erasure does about mail that waits: the policy says whether it is delivered first, or returned first.

"it will only be used to support your customer relationship": mail that was accepted is owed to somebody, so an erasure
does not lose it silently. It is refused as long as messages wait, and has them hurried: due at once, or dead letters at
once whose senders are told. Whoever must erase now says so, and the receipt says how many messages were lost by it.
"""

from typing import TYPE_CHECKING, Final

from vault.domain.names import Owner
from vault.errors import FailedPrecondition
from vault.service.call import Call
from vault.service.entries import NO_DIGEST
from vault.service.mail_owner import subject_of
from vault.service.mail_states import returned, sooner
from vault.service.writing import Change
from vault.storage.port import Item
from vault.storage.queue import ListQuery, QueuePut
from vault.v1 import status_pb2 as status

if TYPE_CHECKING:  # They use this themselves.
    from vault.service.parts import Parts

ACTION: Final = "Vault.HurryMail"
_PAGE: Final = 1000
_WAITS: Final = {
    "deliver": "mail of the customer waits and is due now: erase when it is delivered, or with discard_mail",
    "bounce": "mail of the customer waits and goes back to its senders: erase when it has, or with discard_mail",
}


async def settle_mail(parts: "Parts", call: Call, owner: Owner, *, discard: bool) -> int:
    """Have the mail of an owner out before an erasure; how many messages the erasure destroys.

    Raises:
        FailedPrecondition: some wait, and may not be discarded; they are hurried.
        VaultError: the store cannot do it now.
    """
    waiting = await parts.store.queued(await parts.store.list_queue(ListQuery(call.now, _PAGE, owner=owner)))
    if discard or not waiting:
        return len(waiting)
    rule = parts.policy.mail_on_erasure
    subject = await subject_of(parts, call, owner)
    hurry = returned if rule == "bounce" else sooner
    rows = [after for each in waiting if (after := hurry(each.row, call.now)) is not None]
    changes = [
        Change(Item(owner, queue=(QueuePut(row),)), subject, [(row.record_name, NO_DIGEST, NO_DIGEST)]) for row in rows
    ]
    if changes:
        # Under a name of its own: an entry of the erasure's would say that it was done.
        await parts.journal.commit(Call(call.caller, ACTION, call.now), changes, lambda _: None)
    raise FailedPrecondition(status.REASON_STATE, _WAITS[rule])
