"""Epochs: one secret for many envelopes, sealed once to each purpose of its audience and used up in 1,024 steps.

The epoch id is an HMAC commitment to the secret E, so a stanza that opens to another E is refused and an envelope
means the same to every purpose. The steps are the leaves of a binary tree of depth 10 (a GGM tree): whoever holds the
nodes that are still ahead can derive no step that is past, which is why a sealer that is broken into gives away
nothing that it sealed before the current step.
"""

import hmac
import secrets
from collections.abc import Sequence
from typing import NewType

from vault.crypto.context import encode, expand
from vault.crypto.hpke import STANZA_SIZE, Fingerprint, PurposeKeyPair, Recipient
from vault.domain.audience import members
from vault.domain.secret import Secret
from vault.errors import InvalidArgument, OpenError

EpochId = NewType("EpochId", bytes)

EPOCH_SECRET_SIZE = 32
EPOCH_ID_SIZE = 32
DEPTH = 10
STEPS = 1 << DEPTH
LAST_STEP = STEPS - 1

_STEP_INFO = (encode("customer-vault/1 step", 0), encode("customer-vault/1 step", 1))


def new_epoch_secret() -> Secret:
    """E: 32 random bytes."""
    return Secret(secrets.token_bytes(EPOCH_SECRET_SIZE))


def epoch_id(secret: Secret, vault_id: bytes, audience: str) -> EpochId:
    """HMAC-SHA256 commitment of E to vault and audience, 32 bytes."""
    return EpochId(hmac.digest(secret.reveal(), encode("customer-vault/1 epoch-id", vault_id, audience), "sha256"))


def seal_stanza(secret: Secret, vault_id: bytes, audience: str, purpose: str, recipient: Recipient) -> bytes:
    """Seal E to one purpose's public key: 1168 bytes.

    Raises:
        InvalidArgument: the audience is not canonical, or the purpose is not in it.
    """
    if purpose not in members(audience):
        raise InvalidArgument("purpose", "must be a member of the audience")
    eid = epoch_id(secret, vault_id, audience)
    return recipient.seal(secret.reveal(), _stanza_info(vault_id, audience, eid, purpose, recipient.fingerprint))


def open_stanza(stanza: bytes, vault_id: bytes, audience: str, eid: bytes, purpose: str, key: PurposeKeyPair) -> Secret:
    """Open E, as section 4 says, and accept it only if it is the one that the epoch id commits to.

    Raises:
        OpenError: anything is not as the sealer must have made it.
    """
    # (1) One spelling of the audience, and the purpose in it.
    try:
        allowed = members(audience)
    except InvalidArgument:
        raise OpenError("the stanza does not open") from None
    if purpose not in allowed or len(stanza) != STANZA_SIZE or len(eid) != EPOCH_ID_SIZE:
        raise OpenError("the stanza does not open")
    # (2) Sealed to this key, for this epoch and purpose.
    secret = Secret(key.open(stanza, _stanza_info(vault_id, audience, eid, purpose, key.fingerprint)))
    # (3) E is whole and is what the epoch id commits to.
    if len(secret.reveal()) != EPOCH_SECRET_SIZE or not hmac.compare_digest(epoch_id(secret, vault_id, audience), eid):
        raise OpenError("the stanza does not open")
    return secret


def _stanza_info(vault_id: bytes, audience: str, eid: bytes, purpose: str, fingerprint: Fingerprint) -> bytes:
    return encode("customer-vault/1 epoch-key", vault_id, audience, eid, purpose, fingerprint)


def node(secret: bytes, bits: Sequence[int]) -> bytes:
    """The node of the step tree below `secret` along `bits`."""
    for bit in bits:
        secret = expand(secret, _STEP_INFO[bit])
    return secret


def step_key(secret: Secret, step: int) -> bytes:
    """K_j, 32 bytes, for an opener.

    Raises:
        OpenError: the step is above 1,023 or negative; checked before any work.
    """
    return node(secret.reveal(), step_bits(step))


def step_bits(step: int) -> tuple[int, ...]:
    """The ten bits of a step, most significant first.

    Raises:
        OpenError: the step is above 1,023 or negative.
    """
    if not 0 <= step <= LAST_STEP:
        raise OpenError("the step is out of range")
    return tuple(step >> shift & 1 for shift in range(DEPTH - 1, -1, -1))


class StepSequence:
    """The sealer's side: the current K_j and the right-hand siblings still ahead, at most 10 nodes.

    E and every node that is past are overwritten in place; Python may hold other copies for a while (an immutable
    bytes of an HMAC's result), so this is best effort, not a promise.
    """

    __slots__ = ("_ahead", "_key", "step")

    def __init__(self, secret: bytearray) -> None:
        """Start at step 0 and overwrite `secret` (E)."""
        # Stack of (depth, node); the deepest right-hand sibling is on top and comes next.
        self._ahead: list[tuple[int, bytearray]] = [(0, secret)]
        self._key = bytearray()
        self.step = -1
        self.advance()

    @property
    def key(self) -> bytes:
        """K_j of the current step."""
        return bytes(self._key)

    @property
    def exhausted(self) -> bool:
        """Whether the current step is the last."""
        return not self._ahead

    def advance(self) -> None:
        """Go to the next step and overwrite what is past.

        Raises:
            IndexError: the last step is past; make a new epoch.
        """
        wipe(self._key)
        depth, current = self._ahead.pop()
        while depth < DEPTH:
            right = bytearray(expand(bytes(current), _STEP_INFO[1]))
            left = bytearray(expand(bytes(current), _STEP_INFO[0]))
            wipe(current)
            depth += 1
            self._ahead.append((depth, right))
            current = left
        self._key = current
        self.step += 1

    def wipe(self) -> None:
        """Overwrite everything; the sequence cannot be used after."""
        wipe(self._key)
        for _, ahead in self._ahead:
            wipe(ahead)
        self._ahead.clear()


def wipe(buffer: bytearray) -> None:
    """Overwrite a buffer in place."""
    buffer[:] = bytes(len(buffer))
