"""Opening on the caller's side: from the envelopes of an answer to plaintexts, or to the reason why not.

The steps that a reader must not skip, in their order, for each record:

1. all its envelopes together have the form that a sealer gives them (no field twice, in one envelope or in two);
2. the epoch is one that this caller's purpose key opens;
3. each field that is opened comes under an audience that the pins list for that field;
4. the box opens under the record's name *as it was asked for*, the pinned vault_id and the field's own name.

A batch is opened in slices, so that other tasks of the caller's get their turn, and one record that does not open
spoils no other.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vault.client.epoch_keys import EpochKeys, OpenedEpoch
from vault.client.errors import PinMismatch
from vault.client.pins import Pins
from vault.crypto.envelope import check_record, open_boxes
from vault.domain.fields import ProtectedField
from vault.errors import DataLoss, OpenError, VaultError
from vault.v1.envelope_pb2 import Envelope

Wanted = Mapping[int, ProtectedField]
"""The fields to open, by number."""
Plaintexts = list[tuple[ProtectedField, bytes]]

_SLICE = 100


class Sealed(NamedTuple):
    """One record as it came: a tuple, because a batch makes a thousand."""

    record_name: str
    """From the request, never from the answer."""
    envelopes: Sequence[Envelope]


class Opening:
    """Opens envelopes for one purpose of this caller."""

    def __init__(self, pins: Pins, keys: EpochKeys) -> None:
        self.keys = keys
        self._pins = pins

    async def open(self, records: Sequence[Sealed], wanted: Wanted) -> list[Plaintexts | VaultError]:
        """Open the wanted fields of records; one answer for each, in order.

        Raises:
            VaultError: the vault cannot be asked for an epoch, or answered for another key.
        """
        held = [_held(record, wanted) for record in records]  # (1)
        epochs = await self.keys.get({envelope.epoch_id for some in held for envelope in some or ()})
        unpinned = {epoch_id: self._unpinned(epoch.audience, wanted) for epoch_id, epoch in epochs.items()}
        opened: list[Plaintexts | VaultError] = []
        for at, (record, envelopes) in enumerate(zip(records, held, strict=True), 1):
            try:
                opened.append(self._open(record.record_name, envelopes, wanted, epochs, unpinned))
            except OpenError:
                opened.append(DataLoss("the record does not open: it is not what was sealed under this name"))
            except PinMismatch as error:
                opened.append(error)
            if at % _SLICE == 0:
                await asyncio.sleep(0)
        return opened

    def _open(
        self,
        record_name: str,
        envelopes: Sequence[Envelope] | None,
        wanted: Wanted,
        epochs: Mapping[bytes, OpenedEpoch],
        unpinned: Mapping[bytes, Wanted],
    ) -> Plaintexts:
        if envelopes is None:
            raise OpenError("an envelope is malformed")
        opened: Plaintexts = []
        for envelope in envelopes:
            epoch_id = envelope.epoch_id
            epoch = epochs.get(epoch_id)
            if epoch is None:  # (2)
                raise OpenError("no key of this caller opens the epoch")
            if refused := unpinned[epoch_id]:  # (3)
                for box in envelope.boxes:
                    if box.field in refused:
                        raise PinMismatch(f"the audience of {refused[box.field].policy_name}")
            step = self.keys.step(epoch, envelope.step)
            opened += open_boxes(self._pins.vault_id, step, record_name, envelope, wanted)  # (4)
        return opened

    def _unpinned(self, audience: str, wanted: Wanted) -> Wanted:
        """The wanted fields that may not come sealed for an audience."""
        return {n: field for n, field in wanted.items() if not self._pins.may_open(field.policy_name, audience)}


def _held(record: Sealed, wanted: Wanted) -> list[Envelope] | None:
    """The envelopes that hold a wanted field, or None if those of the record are malformed."""
    try:
        check_record(record.envelopes)
    except OpenError:
        return None
    return [envelope for envelope in record.envelopes if _holds(envelope, wanted)]


def _holds(envelope: Envelope, wanted: Wanted) -> bool:
    """Whether any box is of a wanted field; a loop, because a generator costs as much as a field's decryption."""
    for box in envelope.boxes:  # noqa: SIM110
        if box.field in wanted:
            return True
    return False
