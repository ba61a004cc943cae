"""The verifier: every way to alter a log is detected, at its first bad index, and no log of ours is suspected.

A mutation works on copies of three lists: rows of (index, entry, leaf hash), checkpoints, and notes that callers kept.
It returns the index where the log first differs from what was signed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.fakes import KEY, ORIGIN, OTHER_KEY, FakeLogStore, make_entry
from vault.audit.log import AuditLog
from vault.audit.report import Finding, Reason, Report
from vault.audit.verify import UNSIGNED_SECONDS, verify
from vault.crypto.merkle import leaf_hash, root_of
from vault.crypto.note import Checkpoint, LogKey, sign_checkpoint
from vault.errors import OpenError

Row = tuple[int, bytes, bytes | None]
SEEDS = range(25)


@dataclass
class Log:
    """A log as a thief of the store has it before him."""

    rows: list[Row]
    checkpoints: list[tuple[int, str]]
    kept: list[str] = field(default_factory=list)

    def verify(self, origin: str = ORIGIN, key: LogKey = KEY) -> Report:
        """Check it."""
        return verify(iter(self.rows), iter(self.checkpoints), origin, key.public_key, self.kept)

    def edit(self, i: int, entry: bytes, *, leaf: bool) -> None:
        """Change an entry, and its leaf hash or not."""
        index, _, old = self.rows[i]
        self.rows[i] = (index, entry, leaf_hash(entry) if leaf else old)

    def renumber(self) -> None:
        """Give all rows the indices of an untouched log."""
        self.rows = [(i, entry, leaf) for i, (_, entry, leaf) in enumerate(self.rows)]

    def interval(self, i: int) -> tuple[int, int]:
        """The indices that the checkpoints around an index leave open."""
        sizes = [size for size, _ in self.checkpoints]
        return max(size for size in sizes if size <= i), min(size for size in sizes if size > i) - 1


def sign(rows: Sequence[Row], size: int, key: LogKey = KEY, origin: str = ORIGIN) -> str:
    """A true checkpoint of rows."""
    return sign_checkpoint(Checkpoint(origin, size, root_of(leaf_hash(entry) for _, entry, _ in rows[:size])), key)


def build(random: Random, *, entries: int = 120, tail: int = 3, leaf: bool = True) -> Log:
    """A log with checkpoints at random sizes, some entries behind the newest one, and its leaf hashes or none."""
    raw = [make_entry(i) for i in range(entries)]
    rows: list[Row] = [(i, entry, leaf_hash(entry) if leaf else None) for i, entry in enumerate(raw)]
    sizes = sorted({0, entries - tail, *random.sample(range(1, entries - tail), 12)})
    return Log(rows, [(size, sign(rows, size)) for size in sizes])


def other_entry(random: Random) -> bytes:
    """An entry that is in no log."""
    return make_entry(10**6 + random.randrange(10**6))


# --- mutations whose first bad index is found exactly --------------------------------------------------------------


def edit_entry(log: Log, random: Random) -> int:
    """Another entry in its place."""
    i = random.randrange(len(log.rows))
    log.edit(i, other_entry(random), leaf=False)
    return i


def edit_bit(log: Log, random: Random) -> int:
    """One bit."""
    i = random.randrange(len(log.rows))
    entry = bytearray(log.rows[i][1])
    entry[random.randrange(len(entry))] ^= 1 << random.randrange(8)
    log.edit(i, bytes(entry), leaf=False)
    return i


def edit_many(log: Log, random: Random) -> int:
    """Several entries, anywhere."""
    chosen = random.sample(range(len(log.rows)), 5)
    for i in chosen:
        log.edit(i, other_entry(random), leaf=False)
    return min(chosen)


def edit_leaf(log: Log, random: Random) -> int:
    """Only the hash beside it."""
    i = random.randrange(len(log.rows))
    index, entry, _ = log.rows[i]
    log.rows[i] = (index, entry, random.choice([random.randbytes(32), b"", b"short"]))
    return i


def delete(log: Log, random: Random) -> int:
    """Take a row out."""
    i = random.randrange(len(log.rows) - 4)
    del log.rows[i]
    return i


def delete_first(log: Log, random: Random) -> int:
    """The oldest ones, as a clean-up would."""
    del log.rows[: random.randrange(1, 50)]
    return 0


def truncate(log: Log, random: Random) -> int:
    """The newest ones, down below what was signed."""
    i = random.randrange(len(log.rows) - 3)
    del log.rows[i:]
    return i


def empty(log: Log, random: Random) -> int:
    """All of them."""
    log.rows.clear()
    return 0


def swap_entries(log: Log, random: Random) -> int:
    """Two entries change places, their hashes do not."""
    i, j = sorted(random.sample(range(len(log.rows)), 2))
    first, second = log.rows[i][1], log.rows[j][1]
    log.edit(i, second, leaf=False)
    log.edit(j, first, leaf=False)
    return i


def out_of_order(log: Log, random: Random) -> int:
    """Two rows come in the wrong order."""
    i = random.randrange(len(log.rows) - 1)
    log.rows[i], log.rows[i + 1] = log.rows[i + 1], log.rows[i]
    return i


def double(log: Log, random: Random) -> int:
    """A row comes twice."""
    i = random.randrange(len(log.rows))
    log.rows.insert(i, log.rows[i])
    return i


def roll_back(log: Log, random: Random) -> int:
    """Entries and checkpoints of an older day, while a caller remembers the newer one."""
    log.kept.append(log.checkpoints[-1][1])
    del log.checkpoints[random.randrange(1, len(log.checkpoints) - 1) :]
    size = log.checkpoints[-1][0]
    del log.rows[size:]
    return size


EXACT = [
    edit_entry,
    edit_bit,
    edit_many,
    edit_leaf,
    delete,
    delete_first,
    empty,
    swap_entries,
    out_of_order,
    double,
    roll_back,
]


@pytest.mark.parametrize("mutate", EXACT)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_first_bad_index_is_named_exactly(mutate: Callable[[Log, Random], int], seed: int) -> None:
    """For whoever does not recompute the leaf hashes, or takes entries away."""
    random = Random(seed)
    log = build(random)
    expected = mutate(log, random)
    finding = log.verify().finding
    assert finding is not None
    assert (finding.first, finding.last) == (expected, expected), finding


@pytest.mark.parametrize("seed", SEEDS)
def test_missing_newest_entries_are_pinned_to_what_no_checkpoint_shows(seed: int) -> None:
    """From the newest checkpoint that can still be compared: one further up may be gone, and the rest renumbered."""
    random = Random(seed)
    log, other = build(random), build(Random(seed))
    cut = truncate(log, random)
    finding = log.verify().finding
    below = max(size for size, _ in log.checkpoints if size <= cut)
    assert finding == Finding(Reason.TRUNCATED, below, cut)
    # the same number of entries, another one missing
    first = random.randrange(below, cut + 1)
    other.rows = [row for at, row in enumerate(other.rows) if not first <= at < first + len(other.rows) - cut]
    other.renumber()
    bent = other.verify().finding
    assert bent is not None
    assert bent.first <= first <= bent.last


# --- mutations by one who recomputes the leaf hashes: pinned between two checkpoints -------------------------------


def edit_both(log: Log, random: Random) -> int:
    """An entry and its hash."""
    i = random.randrange(len(log.rows) - 3)
    log.edit(i, other_entry(random), leaf=True)
    return i


def delete_renumbered(log: Log, random: Random) -> int:
    """A row goes, the others close up."""
    i = random.randrange(len(log.rows) - 4)
    del log.rows[i]
    log.renumber()
    return i


def insert_renumbered(log: Log, random: Random) -> int:
    """A row that never was."""
    i = random.randrange(len(log.rows) - 3)
    entry = other_entry(random)
    log.rows.insert(i, (i, entry, leaf_hash(entry)))
    log.renumber()
    return i


def swap_rows(log: Log, random: Random) -> int:
    """Two rows change places, hashes and all."""
    i, j = sorted(random.sample(range(len(log.rows) - 3), 2))
    log.rows[i], log.rows[j] = log.rows[j], log.rows[i]
    log.renumber()
    return i


def edit_both_and_one_openly(log: Log, random: Random) -> int:
    """A careful change hides behind a careless one."""
    i = random.randrange(len(log.rows) - 4)
    log.edit(i, other_entry(random), leaf=True)
    log.edit(i + 1, other_entry(random), leaf=False)
    return i


@pytest.mark.parametrize(
    "mutate", [edit_both, delete_renumbered, insert_renumbered, swap_rows, edit_both_and_one_openly]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_with_its_leaf_hash_is_pinned_between_two_checkpoints(
    mutate: Callable[[Log, Random], int], seed: int
) -> None:
    """More than that no unsigned byte can tell."""
    random = Random(seed)
    log = build(random)
    expected = mutate(log, random)
    finding = log.verify().finding
    assert finding is not None
    assert finding.reason is Reason.EDITED
    low, high = log.interval(expected)
    assert low <= finding.first <= expected <= finding.last <= high, finding


@pytest.mark.parametrize("seed", SEEDS)
def test_a_store_without_leaf_hashes_is_pinned_between_two_checkpoints(seed: int) -> None:
    """Entries that do not even parse narrow it further."""
    random = Random(seed)
    log = build(random, leaf=False)
    i = random.randrange(len(log.rows) - 3)
    log.edit(i, random.choice([other_entry(random), b"\xff garbage"]), leaf=False)
    finding = log.verify().finding
    assert finding is not None
    low, high = log.interval(i)
    assert (finding.reason, finding.first) == (Reason.EDITED, low)
    assert finding.last == (i if b"garbage" in log.rows[i][1] else high)


# --- checkpoints ---------------------------------------------------------------------------------------------------


def change_note(log: Log, random: Random) -> int:
    """A root that was never signed."""
    k = random.randrange(1, len(log.checkpoints))
    size, note = log.checkpoints[k]
    lines = note.split("\n")
    log.checkpoints[k] = (size, "\n".join([*lines[:2], "A" * 43 + "=", *lines[3:]]))
    return k


def old_note(log: Log, random: Random) -> int:
    """An older checkpoint in the place of a newer one."""
    k = random.randrange(1, len(log.checkpoints))
    log.checkpoints[k] = (log.checkpoints[k][0], log.checkpoints[random.randrange(k)][1])
    return k


def foreign_note(log: Log, random: Random) -> int:
    """Signed with another key."""
    k = random.randrange(1, len(log.checkpoints))
    size = log.checkpoints[k][0]
    log.checkpoints[k] = (size, sign(log.rows, size, key=OTHER_KEY))
    return k


def other_log(log: Log, random: Random) -> int:
    """Signed by the same key for another log."""
    k = random.randrange(1, len(log.checkpoints))
    size = log.checkpoints[k][0]
    log.checkpoints[k] = (size, sign(log.rows, size, origin="vault.example/log/1"))
    return k


@pytest.mark.parametrize("mutate", [change_note, old_note, foreign_note, other_log])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_bad_checkpoint_is_named_by_what_it_should_have_added(
    mutate: Callable[[Log, Random], int], seed: int
) -> None:
    """From the one before it up to its size."""
    random = Random(seed)
    log = build(random)
    k = mutate(log, random)
    report = log.verify()
    assert report.finding == Finding(Reason.CHECKPOINT, log.checkpoints[k - 1][0], log.checkpoints[k][0] - 1)


def test_under_the_wrong_key_nothing_is_proven() -> None:
    """Nor under another origin."""
    for report in (build(Random(1)).verify(key=OTHER_KEY), build(Random(1)).verify(origin="vault.example/log/1")):
        assert report.finding is not None
        assert (report.finding.reason, report.finding.first, report.proven) == (Reason.CHECKPOINT, 0, 0)


def test_an_altered_entry_is_named_rather_than_an_altered_checkpoint() -> None:
    """The more exact finding comes first."""
    random = Random(3)
    log = build(random)
    i = edit_entry(log, random)
    foreign_note(log, random)
    assert log.verify().finding == Finding.at(Reason.EDITED, i)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fork_is_detected_by_what_a_caller_kept(seed: int) -> None:
    """The log went on from an older day and signed another history; somewhere before the kept size they part."""
    random = Random(seed)
    log = build(random)
    other = build(random)
    parted = random.randrange(50, 100)
    other.rows[parted:] = [(i, e, leaf_hash(e)) for i in range(parted, 120) for e in [other_entry(random)]]
    log.kept = [sign(other.rows, random.randrange(10, 50)), sign(other.rows, size := random.randrange(parted + 1, 115))]
    finding = log.verify().finding
    assert finding is not None
    assert finding.reason is Reason.FORKED
    assert finding.first <= parted <= finding.last == size - 1


@pytest.mark.parametrize("same_size", [True, False])
def test_a_fork_is_detected_in_the_store_alone(*, same_size: bool) -> None:
    """Two signed roots that no one tree has, at one size or at two."""
    log, other = build(Random(1)), build(Random(1))
    other.edit(70, other_entry(Random(2)), leaf=True)
    size = next(size for size, _ in log.checkpoints if size > 80) + (0 if same_size else -1)
    log.checkpoints.append((size, sign(other.rows, size)))
    report = log.verify()
    assert report.finding == Finding(Reason.FORKED, 0, size - 1)


def test_a_kept_checkpoint_proves_what_the_store_has_not_signed_yet() -> None:
    """And shows a change there."""
    log = build(Random(1), tail=20)
    log.kept = [sign(log.rows, 110)]
    report = log.verify()
    assert (report.ok, report.proven, report.uncovered) == (True, 110, 10)
    log.edit(105, other_entry(Random(2)), leaf=True)
    assert log.verify().finding == Finding(Reason.EDITED, 100, 109)


def test_a_kept_note_of_another_log_is_the_readers_own_mistake() -> None:
    """It is no finding about this log."""
    log = build(Random(1))
    log.kept = [sign(log.rows, 5, key=OTHER_KEY)]
    with pytest.raises(OpenError):
        log.verify()


def test_entries_without_any_checkpoint_are_not_proven() -> None:
    """A log starts with a checkpoint of nothing, so one that has none lost it."""
    log = build(Random(1))
    log.checkpoints.clear()
    assert log.verify().finding == Finding.at(Reason.UNSIGNED, 0)


def test_checkpoints_that_were_taken_away_are_missed() -> None:
    """More than a minute of entries behind the newest one; a pause of days with few entries is none."""
    entries = [make_entry(i, 1_790_000_000_000 + i * 1000) for i in range(UNSIGNED_SECONDS + 11)]
    rows: list[Row] = [(i, entry, leaf_hash(entry)) for i, entry in enumerate(entries)]
    assert Log(rows, [(10, sign(rows, 10))]).verify().finding == Finding.at(Reason.UNSIGNED, 10)
    assert Log(rows[:-1], [(10, sign(rows, 10))]).verify().ok
    late = make_entry(0, 1_800_000_000_000)
    rows[11:] = [(11, late, leaf_hash(late))]
    assert Log(rows, [(10, sign(rows, 10))]).verify().ok


def test_an_entry_that_was_signed_and_does_not_parse_is_named() -> None:
    """It is as signed, so it is not called a change; a missing row behind it does not hide it."""
    log = build(Random(1))
    log.edit(70, b"\xff", leaf=True)
    log.checkpoints = [(size, sign(log.rows, size)) for size, _ in log.checkpoints]
    assert log.verify().finding == Finding.at(Reason.UNREADABLE, 70)
    del log.rows[71]
    assert log.verify().finding == Finding.at(Reason.UNREADABLE, 70)


# --- no false alarm ------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 60),
    st.lists(st.integers(0, 60), max_size=8),
    st.lists(st.integers(0, 60), max_size=3),
    st.booleans(),
)
def test_no_true_log_is_suspected(count: int, sizes: list[int], kept: list[int], leaf: bool) -> None:  # noqa: FBT001
    """Of any length, signed at any sizes in any order, some of them twice, with leaf hashes or without."""
    rows: list[Row] = [(i, e, leaf_hash(e) if leaf else None) for i in range(count) for e in [make_entry(i)]]
    signed = [(size, sign(rows, size)) for size in [0, *sizes] if size <= count]
    report = Log(rows, signed, [sign(rows, size) for size in kept if size <= count]).verify()
    assert report.finding is None
    assert (report.entries, report.checkpoints) == (count, len(signed))
    assert report.proven == max(size for size in [0, *sizes, *kept] if size <= count)
    assert report.uncovered == count - report.proven


def test_a_log_that_was_never_opened_is_fine() -> None:
    """Nothing at all."""
    assert Log([], []).verify() == Report(ORIGIN, 0, 0, 0, 0, 0, None)


async def test_what_a_process_wrote_over_its_lives_verifies() -> None:
    """Start, write, die without a word, start again."""
    store = FakeLogStore()
    for life in range(3):
        log = AuditLog(store, "0", ORIGIN, KEY, "a", fatal=lambda error: pytest.fail(str(error)), now=lambda: 0)
        await log.start()
        store.append(*(make_entry(life * 10 + i) for i in range(10)))
        await log._advance()
        store.append(make_entry(life))
        assert log._task is not None
        log._task.cancel()
    report = verify(((i, e, None) for i, e in store.entries), store.checkpoints, ORIGIN, KEY.public_key)
    assert (report.finding, report.proven, report.uncovered) == (None, 32, 1)


def test_long_logs_are_hashed_in_pieces() -> None:
    """More entries than are held back, with a change in the second piece and one in the first."""
    raw = [make_entry(i % 50) for i in range(9000)]
    rows: list[Row] = [(i, entry, leaf_hash(entry)) for i, entry in enumerate(raw)]
    log = Log(rows, [(size, sign(rows, size)) for size in (0, 8999)])
    assert log.verify().ok
    log.edit(8000, other_entry(Random(1)), leaf=False)
    assert log.verify().finding == Finding.at(Reason.EDITED, 8000)
    log.edit(2000, other_entry(Random(1)), leaf=False)
    assert log.verify().finding == Finding.at(Reason.EDITED, 2000)


def test_a_report_says_what_it_covers() -> None:
    """Times, counts, and a line for people."""
    report = build(Random(1)).verify()
    assert (report.first_time, report.last_time) == (1_790_000_000_000, 1_790_000_011_900)
    assert (report.entries, report.proven, report.uncovered, report.ok) == (120, 117, 3, True)
    assert str(Finding.at(Reason.SEQUENCE, 7)).endswith("first bad index 7")
    assert str(Finding(Reason.EDITED, 4, 9)).endswith("first bad index in 4 to 9")
