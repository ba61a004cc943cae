"""When an epoch steps and when it ends: shared by the server and by SDKs that seal on their own side.

A step ends after 4,096 envelopes, or 90 s after the first seal under it. The second rule must not wait for the next
seal, or the key of a busy minute would lie in memory all night: `take` says when a step saw its first seal, and its
caller arranges for `pass_step` to be called 90 s later. An epoch ends after 24 h, or with its last step.
Time is passed in, in seconds of a monotonic clock.
"""

from vault.crypto.envelope import Step
from vault.crypto.epoch import EpochId, StepSequence, epoch_id
from vault.domain.secret import Secret

ENVELOPES_PER_STEP = 4096
STEP_SECONDS = 90
EPOCH_SECONDS = 24 * 3600


class EpochSealer:
    """One epoch of one audience, on the side that seals."""

    __slots__ = ("_sequence", "_step", "_used", "audience", "epoch_id", "started")

    def __init__(self, secret: Secret, vault_id: bytes, audience: str, started: float) -> None:
        """Begin at step 0. The epoch must be published before the first `take`."""
        self.audience = audience
        self.epoch_id: EpochId = epoch_id(secret, vault_id, audience)
        self.started = started
        self._sequence = StepSequence(bytearray(secret.reveal()))
        self._used = 0
        self._step: Step | None = None

    @property
    def step(self) -> int:
        """The step that is sealed under, or comes next."""
        return self._sequence.step

    def alive(self, now: float, count: int = 1) -> bool:
        """Whether the epoch may seal `count` more envelopes (fewer than 4,096) at once."""
        room = not self._sequence.exhausted or self._used + count <= ENVELOPES_PER_STEP
        return room and now - self.started < EPOCH_SECONDS

    def take(self) -> tuple[Step, bool]:
        """The step for one more envelope, and whether it is the step's first. Only while `alive`."""
        if self._used >= ENVELOPES_PER_STEP:
            self._advance()
        self._used += 1
        if self._step is None:
            self._step = Step(self.audience, self.epoch_id, self._sequence.step, self._sequence.key)
        return self._step, self._used == 1

    def pass_step(self, number: int) -> None:
        """End step `number` if it is still the current one; the timer's duty."""
        if self._sequence.step == number and self._used:
            if self._sequence.exhausted:
                self._used = ENVELOPES_PER_STEP
                self._step = None
                self._sequence.wipe()
            else:
                self._advance()

    def close(self) -> None:
        """Overwrite what is left of the epoch."""
        self._step = None
        self._sequence.wipe()

    def _advance(self) -> None:
        self._step = None
        self._sequence.advance()
        self._used = 0
