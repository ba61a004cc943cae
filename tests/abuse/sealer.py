"""A caller that seals on its own side, and can do it wrong: an epoch, its stanzas, and envelopes under it."""

import secrets
from collections.abc import Mapping

from vault.crypto import envelope
from vault.crypto.envelope import Step
from vault.crypto.epoch import EpochId, epoch_id, new_epoch_secret, seal_stanza, step_key
from vault.domain.fields import protected_fields
from vault.keyring.keyring import Keyring
from vault.v1 import key_service_pb2 as keys
from vault.v1 import records_pb2 as records
from vault.v1.envelope_pb2 import Envelope


class SealedSide:
    """One epoch of one audience."""

    def __init__(self, keyring: Keyring, audience: str) -> None:
        self.audience = audience
        self.vault_id = keyring.vault_id
        self.secret = new_epoch_secret()
        self.epoch_id: EpochId = epoch_id(self.secret, self.vault_id, audience)
        self.recipients = {k.purpose: k.recipient for k in keyring.purposes.recipients(audience)}

    def stanzas(self) -> list[keys.Stanza]:
        """One for each member of the audience."""
        return [
            keys.Stanza(
                purpose=purpose,
                fingerprint=recipient.fingerprint,
                sealed=seal_stanza(self.secret, self.vault_id, self.audience, purpose, recipient),
            )
            for purpose, recipient in self.recipients.items()
        ]

    def publication(self) -> keys.PublishEpochRequest:
        """The request that makes the epoch known."""
        return keys.PublishEpochRequest(epoch_id=self.epoch_id, audience=self.audience, stanzas=self.stanzas())

    def step(self, number: int = 0) -> Step:
        """The key of one step."""
        return Step(self.audience, self.epoch_id, number, step_key(self.secret, number))

    def seal(self, record_name: str, values: Mapping[str, str], kind: type[records.Card | records.Contact]) -> Envelope:
        """One envelope with these values, by field name."""
        table = protected_fields(kind)
        chosen = sorted(((table[name], text.encode()) for name, text in values.items()), key=lambda v: v[0].number)
        return envelope.seal(self.vault_id, self.step(), record_name, chosen)


def random_envelope(side: SealedSide, numbers: tuple[int, ...], size: int = 60) -> Envelope:
    """An envelope whose boxes have the right size and hold nothing."""
    made = Envelope(epoch_id=side.epoch_id, step=0, salt=secrets.token_bytes(32))
    for number in numbers:
        made.boxes.add(field=number, ciphertext=secrets.token_bytes(size))
    return made
