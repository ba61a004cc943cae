"""Lines of clients are read strictly, and what is written in them is kept as it is."""

import pytest

from vault.gateway import commands
from vault.gateway.commands import MAIL_PARAMETERS, RCPT_PARAMETERS, Refused


@pytest.mark.parametrize(
    ("arguments", "address", "parameters"),
    [
        ("FROM:<>", "", {}),
        ("FROM: <a@example.org>", "a@example.org", {}),
        ("from:<@relay.example,@b.example:a@example.org>", "a@example.org", {}),
        ('FROM:<"a b>\\""@example.org> SIZE=10', '"a b>\\""@example.org', {"SIZE": "10"}),
        ("FROM:<a@[192.0.2.1]> body=8bitmime RET=hdrs ENVID=QQ+3D1", "a@[192.0.2.1]",
         {"BODY": "8bitmime", "RET": "hdrs", "ENVID": "QQ+3D1"}),
        ("FROM:<\u00e4@\u00fc.example> SMTPUTF8", "\u00e4@\u00fc.example", {"SMTPUTF8": ""}),
        ("FROM:<o'neil+tag=x@example.org>", "o'neil+tag=x@example.org", {}),
    ],
)  # fmt: skip
def test_a_path_is_kept_as_it_is_written(arguments: str, address: str, parameters: dict[str, str]) -> None:
    """Source routes are dropped, and nothing else."""
    found = commands.path(arguments, "FROM", MAIL_PARAMETERS, utf8=False)
    assert (found.address, found.parameters) == (address, parameters)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("FROM:a@example.org", 501),
        ("FROM<a@example.org>", 501),
        ("TO:<a@example.org>", 501),
        ("FROM:<a b@example.org>", 501),
        ("FROM:<a@example.org", 501),
        ("FROM:<a@example.org>>", 501),
        ("FROM:<a@b@example.org>", 501),
        ("FROM:<a@example.org>SIZE=1", 501),
        ("FROM:<" + "a" * 320 + "@example.org>", 501),
        ("FROM:<\u00e4@example.org>", 553),
        ("FROM:<a@example.org> BODY=BINARYMIME", 501),
        ("FROM:<a@example.org> SIZE=x", 501),
        ("FROM:<a@example.org> SIZE=1 SIZE=2", 501),
        ("FROM:<a@example.org> SMTPUTF8=1", 501),
        ("FROM:<a@example.org> NOTIFY=NEVER", 555),
        ("FROM:<a@example.org> X==", 555),
    ],
)
def test_what_breaks_the_grammar_is_refused(arguments: str, code: int) -> None:
    """Nothing is repaired."""
    with pytest.raises(Refused) as refused:
        commands.path(arguments, "FROM", MAIL_PARAMETERS, utf8=False)
    assert refused.value.reply.code == code


@pytest.mark.parametrize("value", ["NEVER", "SUCCESS,FAILURE,DELAY", "failure"])
def test_what_the_sender_wants_to_hear_of_is_kept(value: str) -> None:
    """NOTIFY and ORCPT."""
    found = commands.path(
        f"TO:<a@example.org> NOTIFY={value} ORCPT=rfc822;b@c.example", "TO", RCPT_PARAMETERS, utf8=False
    )
    assert found.parameters == {"NOTIFY": value, "ORCPT": "rfc822;b@c.example"}


@pytest.mark.parametrize("value", ["NEVER,FAILURE", "", "ALWAYS"])
def test_a_wish_that_means_nothing_is_refused(value: str) -> None:
    """NEVER stands alone (RFC 3461, 4.1)."""
    with pytest.raises(Refused):
        commands.path(f"TO:<a@example.org> NOTIFY={value}", "TO", RCPT_PARAMETERS, utf8=False)


@pytest.mark.parametrize("line", [b"NOOP \xff", b"NO\x00OP", b"NOOP\t", b"NOOP \x7f"])
def test_what_is_no_text_is_no_command(line: bytes) -> None:
    """Bytes that are no UTF-8, and control characters."""
    with pytest.raises(Refused):
        commands.split(line)
