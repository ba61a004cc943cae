"""The end of a text is found wherever it is cut; what is stuffed comes out as it went in; what is bare is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.gateway.body import MAX_LINE, Body, Fault, Stuffing

_ODD = st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\xff", b"..", b"\r\n.", b" "]), max_size=30).map(b"".join)


def _read(wire: bytes, cuts: list[int] | None = None, most: int = 1 << 30) -> tuple[bytes, Body]:
    body, text, at = Body(most), b"", 0
    for end in [*sorted(cuts or []), len(wire)]:
        if body.rest is None:
            text += body.feed(wire[at:end])
            at = end
    if body.rest is not None:
        body.rest += wire[at:]
    return text, body


@given(_ODD, st.lists(st.integers(0, 60), max_size=6))
def test_what_is_stuffed_comes_out_however_it_is_cut(text: bytes, cuts: list[int]) -> None:
    """Sent by our own client, in pieces, and read by our own server, in others."""
    stuffing = Stuffing()
    half = len(text) // 2
    wire = stuffing.feed(text[:half]) + stuffing.feed(b"") + stuffing.feed(text[half:]) + stuffing.end()
    found, body = _read(wire + b"QUIT\r\n", cuts)
    assert found == (text if not text or text.endswith(b"\r\n") else text + b"\r\n")
    assert (body.rest, body.fault, body.size) == (b"QUIT\r\n", None, len(found))


def test_an_empty_text_is_a_dot_right_after_data() -> None:
    """No line end is made up."""
    found, body = _read(b".\r\n")
    assert (found, body.rest) == (b"", b"")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\r\n.\r\r\n"])
def test_no_other_line_ends_end_a_text(end: bytes) -> None:
    """Each of the endings that let mail be smuggled is text, and the text is refused at its real end."""
    smuggled = b"MAIL FROM:<x@example.org>\r\n"
    _, body = _read(b"hello" + end + smuggled)
    assert body.rest is None
    body.feed(b".\r\n")
    assert body.fault is Fault.BARE_LINE_END


@given(st.lists(st.integers(0, 40), max_size=5))
def test_a_line_end_that_is_cut_in_two_is_not_bare(cuts: list[int]) -> None:
    """CR at the end of one packet, LF at the start of the next."""
    found, body = _read(b"a\r\nb\r\n\r\nc\r\n.\r\n", cuts)
    assert (found, body.fault) == (b"a\r\nb\r\n\r\nc\r\n", None)


def test_nul_is_refused_and_read_to_the_end() -> None:
    """Nothing of the text comes out behind it."""
    found, body = _read(b"a\0b\r\n.\r\nNOOP\r\n")
    assert (found, body.fault, body.rest) == (b"", Fault.NUL, b"NOOP\r\n")


@pytest.mark.parametrize("cuts", [[], [100], [MAX_LINE], [MAX_LINE + 1], list(range(0, MAX_LINE, 5000))])
@pytest.mark.parametrize(("length", "fault"), [(MAX_LINE, None), (MAX_LINE + 1, Fault.LINE)])
def test_a_line_has_a_limit_however_it_is_cut(length: int, fault: Fault | None, cuts: list[int]) -> None:
    """Without the CRLF, between two others, from one packet to the next. The CR counts in a cut line, no more."""
    line = b"x" * (length - 1)
    _, body = _read(b"a\r\n" + line + b"\r\nb\r\n.\r\n", [c + 3 for c in cuts])
    assert body.fault is fault


def test_a_text_has_a_limit() -> None:
    """To the byte."""
    assert _read(b"12345678\r\n.\r\n", most=10)[1].fault is None
    assert _read(b"123456789\r\n.\r\n", most=10)[1].fault is Fault.SIZE


def test_the_first_fault_counts() -> None:
    """A reply names one."""
    assert _read(b"a\nb\r\n\0\r\n.\r\n", [5])[1].fault is Fault.BARE_LINE_END


def test_little_is_kept_of_a_large_text() -> None:
    """Only what may be the end, and the top."""
    body = Body(1 << 30)
    for _ in range(100):
        body.feed((b"x" * 98 + b"\r\n") * 655)
    assert len(body._held) <= 5
    assert len(body.top) == 262_144


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"\0"]), max_size=12).map(b"".join), st.integers(0, 24)
)
def test_what_is_sent_is_judged_as_what_comes_is(text: bytes, cut: int) -> None:
    """However it is cut: what our own server would refuse is not sent, and all else is."""
    stuffing = Stuffing()
    wire = stuffing.feed(text[:cut]) + stuffing.feed(text[cut:]) + stuffing.end()
    bare = text.replace(b"\r\n", b"")
    assert (stuffing.fault is None) == (not {b"\r", b"\n", b"\0"} & {bare[i : i + 1] for i in range(len(bare))})
    if stuffing.fault is None:
        assert _read(wire)[1].fault is None
