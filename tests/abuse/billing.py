"""Billing's side, written from the design: opens envelopes with the key that the vault does not have."""

import json
from pathlib import Path
from typing import Any

from tests.vaults import OpenVault
from vault.crypto.envelope import Step, check_record, open_boxes
from vault.crypto.epoch import EpochId, open_stanza, step_key
from vault.crypto.hpke import PurposeKeyPair
from vault.domain.fields import protected_fields
from vault.domain.secret import Secret
from vault.errors import OpenError
from vault.v1 import key_service_pb2 as keys

PURPOSE = "payment_processing"


class Billing:
    """The holder of payment_processing's private key, with pins as `init` wrote them."""

    def __init__(self, home: Path) -> None:
        folder = home / "callers" / "billing"
        pins = json.loads((folder / "pins.json").read_text())
        self.vault_id = bytes.fromhex(pins["vault_id"])
        self.pair = PurposeKeyPair(Secret(bytes.fromhex((folder / f"{PURPOSE}.key").read_text())))
        self._fields: dict[str, str] = {name: field["current"] for name, field in pins["fields"].items()}
        self._epochs: dict[bytes, tuple[str, Secret]] = {}

    async def epoch(self, vault: OpenVault, epoch_id: bytes) -> tuple[str, Secret]:
        """(audience, E) of an epoch, from the vault's answer and believed only if it opens.

        Raises:
            OpenError: the vault has no stanza, or one that is not what it must be.
        """
        if epoch_id not in self._epochs:
            asked = keys.GetEpochKeysRequest(epoch_ids=[epoch_id], fingerprint=self.pair.fingerprint)
            answer = await vault.call("billing", "KeyService.GetEpochKeys", asked)
            if len(answer.epoch_keys) != 1:
                raise OpenError("no stanza")
            found = answer.epoch_keys[0]
            secret = open_stanza(found.stanza, self.vault_id, found.audience, EpochId(epoch_id), PURPOSE, self.pair)
            self._epochs[epoch_id] = found.audience, secret
        return self._epochs[epoch_id]

    async def open(self, vault: OpenVault, record_name: str, record: Any) -> dict[str, str]:
        """The fields of a card or contact as it came from the vault, by name.

        Raises:
            OpenError: anything is not as it was sealed under this name.
        """
        check_record(record.sealed)
        by_number = {f.number: f for f in protected_fields(type(record)).values()}
        found = {}
        for envelope in record.sealed:
            audience, secret = await self.epoch(vault, envelope.epoch_id)
            if any(self._fields[by_number[b.field].policy_name] != audience for b in envelope.boxes):
                raise OpenError("not the field's audience")
            key = step_key(secret, envelope.step)
            step = Step(audience, EpochId(envelope.epoch_id), envelope.step, key)
            for field, plaintext in open_boxes(self.vault_id, step, record_name, envelope, by_number):
                found[field.name] = plaintext.decode()
        return found

    def forget(self) -> None:
        """Fetch every epoch again."""
        self._epochs.clear()
