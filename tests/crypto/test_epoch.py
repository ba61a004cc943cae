"""Epoch secrets, stanzas and steps."""

import pytest

from vault.crypto import epoch
from vault.crypto.hpke import PurposeKeyPair, Recipient, new_seed
from vault.crypto.sealer import ENVELOPES_PER_STEP, EPOCH_SECONDS, EpochSealer
from vault.domain.secret import Secret
from vault.errors import InvalidArgument, OpenError

VAULT = bytes(range(16))
AUDIENCE = "a+b"


def test_every_step_of_the_sealer_is_the_openers() -> None:
    """All 1,024 keys agree, and they are all different."""
    secret = epoch.new_epoch_secret()
    sequence = epoch.StepSequence(bytearray(secret.reveal()))
    seen = set()
    while True:
        assert sequence.key == epoch.step_key(secret, sequence.step)
        seen.add(sequence.key)
        if sequence.exhausted:
            break
        sequence.advance()
    assert (len(seen), sequence.step) == (epoch.STEPS, epoch.LAST_STEP)


def test_what_is_past_is_overwritten() -> None:
    """After a step, no buffer that the sealer holds leads back to it."""
    secret = bytearray(epoch.new_epoch_secret().reveal())
    whole = Secret(bytes(secret))
    sequence = epoch.StepSequence(secret)
    assert secret == bytes(32)
    for _ in range(100):
        sequence.advance()
    ahead = [(depth, bytes(node)) for depth, node in sequence._ahead]
    assert len(ahead) <= epoch.DEPTH
    reachable = set()
    for depth, node in ahead:
        for leaf in range(1 << (epoch.DEPTH - depth)):
            bits = [leaf >> shift & 1 for shift in range(epoch.DEPTH - depth - 1, -1, -1)]
            reachable.add(epoch.node(node, bits))
    assert reachable == {epoch.step_key(whole, step) for step in range(101, epoch.STEPS)}


def test_a_stanza_opens_to_its_secret() -> None:
    """Sealed and opened under the same context."""
    pair, secret = PurposeKeyPair(new_seed()), epoch.new_epoch_secret()
    stanza = epoch.seal_stanza(secret, VAULT, AUDIENCE, "b", Recipient(pair.public_key))
    eid = epoch.epoch_id(secret, VAULT, AUDIENCE)
    assert epoch.open_stanza(stanza, VAULT, AUDIENCE, eid, "b", pair).reveal() == secret.reveal()
    for audience, purpose, vault in (
        ("a+b", "a", VAULT),
        ("b+a", "b", VAULT),
        ("b", "b", VAULT),
        ("a+b", "b", bytes(16)),
    ):
        with pytest.raises(OpenError):
            epoch.open_stanza(stanza, vault, audience, eid, purpose, pair)


def test_a_stanza_of_another_secret_is_refused() -> None:
    """It opens under HPKE, but its secret is not the committed one (no salamander)."""
    pair = PurposeKeyPair(new_seed())
    good, other = epoch.new_epoch_secret(), epoch.new_epoch_secret()
    eid = epoch.epoch_id(good, VAULT, "a")
    info = epoch._stanza_info(VAULT, "a", eid, "a", pair.fingerprint)
    for plaintext in (other.reveal(), good.reveal()[:31], good.reveal() + b"\0"):
        with pytest.raises(OpenError):
            epoch.open_stanza(Recipient(pair.public_key).seal(plaintext, info), VAULT, "a", eid, "a", pair)


def test_a_stanza_is_not_sealed_for_a_stranger() -> None:
    """The purpose must be in the audience, and the audience canonical."""
    recipient = Recipient(PurposeKeyPair(new_seed()).public_key)
    for audience, purpose in (("a+b", "c"), ("b+a", "a"), ("a+a", "a")):
        with pytest.raises(InvalidArgument):
            epoch.seal_stanza(epoch.new_epoch_secret(), VAULT, audience, purpose, recipient)


@pytest.mark.parametrize("step", [-1, 1024, 1 << 40])
def test_steps_out_of_range_are_refused(step: int) -> None:
    """Before any work."""
    with pytest.raises(OpenError):
        epoch.step_key(epoch.new_epoch_secret(), step)


def sealer() -> EpochSealer:
    """A fresh epoch that began at 0 s."""
    return EpochSealer(epoch.new_epoch_secret(), VAULT, "a", 0.0)


def test_a_step_ends_after_4096_envelopes() -> None:
    """The next envelope is under the next step, and is its first."""
    seals = sealer()
    taken = [seals.take() for _ in range(ENVELOPES_PER_STEP + 1)]
    assert {step.number for step, _ in taken[:-1]} == {0}
    assert [first for _, first in taken].count(True) == 2
    assert taken[-1][0].number == 1
    assert taken[-1][1]


def test_a_step_ends_by_the_timer() -> None:
    """Not at the next seal; and a late timer ends no other step."""
    seals = sealer()
    assert seals.take()[0].number == 0
    seals.pass_step(0)
    assert seals._sequence.step == 1
    seals.pass_step(0)
    assert seals.take()[0].number == 1


def test_an_unused_step_is_kept() -> None:
    """A timer that finds nothing sealed leaves the step alone."""
    seals = sealer()
    seals.pass_step(0)
    assert seals.take()[0].number == 0


def test_an_epoch_ends_after_24_hours_or_with_its_last_step() -> None:
    """Whichever comes first."""
    seals = sealer()
    assert seals.alive(EPOCH_SECONDS - 1)
    assert not seals.alive(EPOCH_SECONDS)
    for step in range(epoch.STEPS):
        assert seals.alive(0)
        assert seals.take()[0].number == step
        seals.pass_step(step)
    assert not seals.alive(0)


def test_a_batch_that_does_not_fit_needs_a_new_epoch() -> None:
    """Room is asked for before sealing begins."""
    seals = sealer()
    for step in range(epoch.LAST_STEP):
        seals.take()
        seals.pass_step(step)
    assert seals.alive(0, ENVELOPES_PER_STEP)
    seals.take()
    assert not seals.alive(0, ENVELOPES_PER_STEP)
    assert seals.alive(0, ENVELOPES_PER_STEP - 1)
