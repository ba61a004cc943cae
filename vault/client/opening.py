"""Opening on the caller's side: from the envelopes of an answer to plaintexts, or to the reason why not.

The steps that a reader must not skip, in their order, for each record:

1. all its envelopes together have the form that a sealer gives them (no field twice, in one envelope or in two);
2. each field that is opened comes under an audience that the pins list for that field;
3. the epoch is one that this caller's purpose key opens;
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
        epochs = await self.keys.get({e.epoch_id for record in records for e in record.envelopes if _holds(e, wanted)})
        opened: list[Plaintexts | VaultError] = []
        for start in range(0, len(records), _SLICE):
            if start:
                await asyncio.sleep(0)
            opened.extend(self._try(record, wanted, epochs) for record in records[start : start + _SLICE])
        return opened

    def _try(self, record: Sealed, wanted: Wanted, epochs: Mapping[bytes, OpenedEpoch]) -> Plaintexts | VaultError:
        try:
            return self._open(record, wanted, epochs)
        except OpenError:
            return DataLoss("the record does not open: it is not what was sealed under this name")
        except PinMismatch as error:
            return error

    def _open(self, record: Sealed, wanted: Wanted, epochs: Mapping[bytes, OpenedEpoch]) -> Plaintexts:
        check_record(record.envelopes)  # (1)
        opened: Plaintexts = []
        for envelope in record.envelopes:
            if not _holds(envelope, wanted):
                continue
            epoch = epochs.get(envelope.epoch_id)  # (3)
            if epoch is None:
                raise OpenError("no key of this caller opens the epoch")
            for box in envelope.boxes:  # (2)
                if box.field in wanted:
                    self._check_audience(wanted[box.field].policy_name, epoch.audience)
            step = self.keys.step(epoch, envelope.step)
            opened += open_boxes(self._pins.vault_id, step, record.record_name, envelope, wanted)  # (4)
        return opened

    def _check_audience(self, field: str, audience: str) -> None:
        if not self._pins.may_open(field, audience):
            raise PinMismatch(f"the audience of {field}")


def _holds(envelope: Envelope, wanted: Wanted) -> bool:
    """Whether any box of the envelope is of a wanted field."""
    return any(box.field in wanted for box in envelope.boxes)
