"""An access log of any garbage becomes counts, once each, and nothing of a line goes further."""

import io
import json
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.cli.weblog import batches as batching
from vault.cli.weblog import run
from vault.cli.weblog.batches import batches
from vault.cli.weblog.lines import LONGEST, Hit, Reader, Reason
from vault.cli.weblog.state import Progress, StateFile, identity_of
from vault.errors import ConfigError, OutcomeUnknown
from vault.v1.visitor_service_pb2 import RecordVisitsResponse, Visit

NOW = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * 1000
HOUR = NOW // 3_600_000 - 2
COMBINED = (
    'pc7.home.isp.de - ann@example.org [23/Nov/2026:10:11:12 +0000] "GET /shop?name=ann HTTP/1.1" 200 512 '
    '"http://elsewhere.example/secret" "Mozilla/5.0 (Ann\'s)"\n'
)
COMMON = '192.0.2.7 - - [23/Nov/2026:11:11:12 +0100] "GET /shop HTTP/1.0" 304 -\n'


def line(request: str = "GET / HTTP/1.1", status: str = "200", time: str = "23/Nov/2026:10:00:00 +0000") -> bytes:
    """A line of the common format."""
    return f'isp.de - - [{time}] "{request}" {status} 5\n'.encode()


def test_both_formats_are_read() -> None:
    """Of a line, three things are left: domain, hour and path."""
    reader = Reader(NOW)
    assert reader.read(COMBINED.encode()) == Hit("isp.de", HOUR, "/shop")
    assert reader.read(COMMON.encode().rstrip()) == Hit("unresolved", HOUR, "/shop")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"\n", Reason.NO_LINE),
        (b"\xff\x00garbage\n", Reason.NO_LINE),
        (COMBINED.encode()[:60], Reason.NO_LINE),
        (b"a" * (LONGEST + 1), Reason.TOO_LONG),
        (line("POST / HTTP/1.1"), Reason.NOT_SEEN),
        (line("HEAD / HTTP/1.1"), Reason.NOT_SEEN),
        (line(status="404"), Reason.NOT_SEEN),
        (line("GET /"), Reason.NOT_SEEN),
        (line("-"), Reason.NOT_SEEN),
        (line("GET http://elsewhere.example/ HTTP/1.1"), Reason.NO_PAGE),
        (line("GET /%ff HTTP/1.1"), Reason.NO_PAGE),
        (line().replace(b"GET /", b"GET /\xff"), Reason.NO_PAGE),
        (line(time="31/Feb/2026:10:00:00 +0000"), Reason.NO_TIME),
        (line(time="23/Nix/2026:10:00:00 +0000"), Reason.NO_TIME),
        (line(time="23/Nov/2026:25:00:00 +0000"), Reason.NO_TIME),
        (line(time="23/Nov/2026:10:00:00 +9999"), Reason.NO_TIME),
        (line(time="01/Jan/0001:00:00:00 +2300"), Reason.NO_TIME),
        (line(time="23/Nov/2027:10:00:00 +0000"), Reason.NO_TIME),
        (line(time="23/Nov/2020:10:00:00 +0000"), Reason.NO_TIME),
    ],
)
def test_a_line_that_is_no_visit_has_a_reason(text: bytes, reason: Reason) -> None:
    """And no words of its own in it."""
    assert Reader(NOW).read(text) is reason


@given(
    st.binary(max_size=300)
    | st.from_regex(rb'\S{1,9} - [^\[]{1,9}\[[0-9/:A-Za-z]{9,20} \+0000\] ".*" 200 5', fullmatch=True)
)
def test_garbage_ends_as_a_reason_or_a_reduced_visit(text: bytes) -> None:
    """Nothing else comes out, and nothing is raised."""
    found = Reader(NOW).read(text)
    assert isinstance(found, Reason) or (found.page.startswith("/") and "@" not in found.page)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 5))
def test_batches_are_the_same_wherever_reading_begins(parts: list[bytes], most: int) -> None:
    """Batches cover all whole lines, and one that begins at a batch's start is that batch."""
    text = b"".join(part + line() for part in parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "MOST_LINES", most)
        found = list(batches(io.BytesIO(text), 0, Reader(NOW)))
        assert sum(batch.lines for batch in found) == text.count(b"\n")
        assert [b.start for b in found[1:]] == [b.end for b in found[:-1]]
        assert not found or found[-1].end == len(text)
        for at, batch in enumerate(found):
            assert list(batches(io.BytesIO(text), batch.start, Reader(NOW))) == found[at:]


@pytest.mark.parametrize("length", [LONGEST - 10, LONGEST, LONGEST + 1, LONGEST + 2, LONGEST + 3, 3 * LONGEST])
def test_a_line_of_any_length_is_one_line(length: int) -> None:
    """It is passed over in pieces, so none fills the memory."""
    text = line() + b"a" * length + b"\n" + line()
    (batch,) = batches(io.BytesIO(text), 0, Reader(NOW))
    assert batch.lines == 3
    assert batch.end == len(text)
    assert batch.counts.total() == 2
    assert batch.refused.total() == 1


def test_a_last_line_that_is_still_being_written_is_left_for_later() -> None:
    """Its end may be another status."""
    text = line() + line()[:-1]
    (batch,) = batches(io.BytesIO(text), 0, Reader(NOW))
    assert (batch.lines, batch.end) == (1, len(line()))


class Counting:
    """A vault that counts each request once, and breaks down when it is told to."""

    def __init__(self) -> None:
        self.seen: dict[str, bytes] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.sent: list[bytes] = []
        self.lose_answer_at = -1

    async def record_visits(self, visits: Sequence[Visit], *, request_id: str = "") -> RecordVisitsResponse:
        """As the SDK's."""
        request = b"".join(visit.SerializeToString() for visit in visits)
        self.sent.append(request)
        if str(uuid.UUID(request_id)) not in self.seen:
            self.counts.update({(v.host, v.page): v.count for v in visits})
        assert self.seen.setdefault(request_id, request) == request
        if len(self.sent) - 1 == self.lose_answer_at:
            raise OutcomeUnknown("the answer was lost")
        return RecordVisitsResponse(recorded=sum(visit.count for visit in visits))


async def imported(path: Path, vault: Counting) -> Progress:
    """One run of the command."""
    with path.open("rb") as file:
        identity = identity_of(file)
    state = StateFile(path.with_suffix(".json"), identity, "00" * 16)
    return await run.run(path, vault, NOW, state, lambda _: None)


def pages(count: int, start: int = 0) -> bytes:
    """Lines of so many different pages."""
    names = (
        f"{chr(97 + i // 676 % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}" for i in range(start, start + count)
    )
    return b"".join(line(f"GET /{name} HTTP/1.1") for name in names)


@pytest.mark.parametrize("lost", range(9))
async def test_a_run_that_was_broken_off_goes_on_and_counts_nothing_twice(tmp_path: Path, lost: int) -> None:
    """Wherever the answer is lost: what is sent twice is what was sent before, under the same request_id."""
    path, vault = tmp_path / "access.log", Counting()
    path.write_bytes(pages(9_000))
    vault.lose_answer_at = lost
    with pytest.raises(OutcomeUnknown):
        await imported(path, vault)
    done = await imported(path, vault)
    assert (done.lines, done.visits) == (9_000, 9_000)
    assert vault.counts.total() == 9_000
    assert len(vault.seen) == 9  # three batches of at most 4,000 counts, a thousand in a call


async def test_a_batch_that_may_have_arrived_is_the_same_one_in_a_log_that_grew(tmp_path: Path) -> None:
    """It ends where it ended, and what came after it is a batch of its own."""
    path, vault = tmp_path / "access.log", Counting()
    path.write_bytes(pages(3))
    vault.lose_answer_at = 0
    with pytest.raises(OutcomeUnknown):
        await imported(path, vault)
    with path.open("ab") as file:
        file.write(pages(4, start=3))
    assert (await imported(path, vault)).visits == 7
    assert vault.counts.total() == 7
    assert len(vault.seen) == 2


async def test_a_log_that_grew_is_read_from_where_it_ended(tmp_path: Path) -> None:
    """Every night; and after a rotation from its beginning."""
    path, vault = tmp_path / "access.log", Counting()
    path.write_bytes(pages(3))
    assert (await imported(path, vault)).visits == 3
    with path.open("ab") as file:
        file.write(pages(2, start=3))
    assert (await imported(path, vault)).visits == 5
    assert (await imported(path, vault)).visits == 5
    path.write_bytes(pages(1, start=9))
    assert (await imported(path, vault)).visits == 1
    assert len(vault.counts) == 6


async def test_nothing_that_tells_who_it_was_is_sent_or_kept(tmp_path: Path) -> None:
    """Not in a request, not in the state."""
    path, vault = tmp_path / "access.log", Counting()
    path.write_bytes((COMBINED + COMMON).encode() + b"ann@example.org garbage\n")
    done = await imported(path, vault)
    assert done.refused == {Reason.NO_LINE.value: 1}
    told = b"".join(vault.sent) + path.with_suffix(".json").read_bytes()
    for word in (b"pc7", b"home", b"ann", b"192.0.2.7", b"elsewhere", b"Mozilla", b"name="):
        assert word not in told


async def test_what_the_vault_refuses_is_not_counted(tmp_path: Path) -> None:
    """Another clock than the web server's."""
    path = tmp_path / "access.log"
    path.write_bytes(pages(2))

    class Strict(Counting):
        async def record_visits(self, visits: Sequence[Visit], *, request_id: str = "") -> RecordVisitsResponse:
            del visits, request_id
            return RecordVisitsResponse(recorded=1, refused_time=1)

    done = await imported(path, Strict())
    assert (done.visits, done.refused) == (1, {Reason.NO_TIME.value: 1})


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", json.dumps({"format": 2}).encode()])
def test_a_state_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """It says what to do."""
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        StateFile(path, "", "").load()


def test_a_state_that_cannot_be_written_names_the_option(tmp_path: Path) -> None:
    """The folder of a web server's logs is mostly somebody else's."""
    with pytest.raises(ConfigError, match="--state"):
        StateFile(tmp_path / "none" / "state.json", "", "").save(Progress())


def test_the_clock_of_the_tests_is_not_needed() -> None:
    """A line of this hour counts."""
    now = datetime.now(UTC)
    text = line(time=now.strftime("%d/%b/%Y:%H:%M:%S +0000"))
    assert isinstance(Reader(int(time.time() * 1000) + 3_600_000).read(text), Hit)
