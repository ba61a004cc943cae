"""The command as a whole: found by folder, quick to help, and never a traceback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.running import COMMAND
from vault import errors
from vault.cli import failures, frame, plugins
from vault.cli.frame import Folder, root
from vault.policy.load import DEFAULT
from vault.v1 import status_pb2 as status


def commands(group: Folder, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of all commands that are no groups."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, Folder):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


ALL = list(commands(root))


def test_the_commands_that_the_documentation_promises_are_there() -> None:
    """A file that is lost or misnamed would take its command with it, silently."""
    promised = "init serve import doctor customer-create customer-show customer-erase card-list card-show contact-show"
    promised += " keys-list audit-tail audit-verify policy-check policy-explain"
    assert set(promised.split()) <= {"-".join(path) for path in ALL}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_command_has_help_with_an_example_and_json(path: tuple[str, ...]) -> None:
    """Who reads the help can copy a line of it; who writes a script can rely on --json."""
    result = CliRunner().invoke(root, [*path, "--help"])
    assert result.exit_code == 0
    assert "Example:\n    customer-vault" in result.output
    if path not in {("demo",), ("bench",)}:
        assert "--json" in result.output


def test_help_imports_no_command_and_nothing_heavy() -> None:
    """It answers at once, however many commands there are."""
    code = (
        "import sys, runpy; sys.argv = ['customer-vault', '--help']\n"
        "try: runpy.run_module('vault.cli', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('grpc', 'google.protobuf', 'cryptography', 'rich', 'vault.errors') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "Make a vault" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_a_file_in_a_folder_is_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later work adds files and edits no list."""
    package = tmp_path / "found_by_folder"
    (package / "group").mkdir(parents=True)
    (package / "__init__.py").write_text('"""A package."""\n')
    (package / "_hidden.py").write_text("raise AssertionError\n")
    (package / "group" / "__init__.py").write_text('"""Things in a group."""\n')
    body = 'import click\n\n\n@click.command()\ndef command():\n    """Do it."""\n    click.echo("did it")\n'
    (package / "group" / "for_.py").write_text(f'"""What it is for."""\n\n{body}')
    monkeypatch.syspath_prepend(tmp_path)
    assert plugins.names("found_by_folder") == ["group"]
    group = Folder("found_by_folder", name="x")
    listed = CliRunner().invoke(group, ["group", "--help"]).output
    assert "Things in a group." in listed
    assert "What it is for." in listed
    assert CliRunner().invoke(group, ["group", "for"]).output == "did it\n"


def failing(error: BaseException) -> click.Group:
    """The root with one command, which fails."""

    @click.command(params=[click.Option(["--json"], is_flag=True, expose_value=False, callback=_remember)])
    def fail() -> None:
        raise error

    group = frame.Root(frame.COMMANDS, name="customer-vault")
    group.get_command = lambda ctx, cmd_name: fail  # type: ignore[method-assign]
    return group


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it
    ctx.meta["vault.cli.json"] = value


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("vault.toml", "server.listen", "is missing: add it"), 2),
        (errors.InvalidArgument("contact.phone", "must be a possible phone number"), 1),
        (errors.Unavailable("the disk is gone"), 1),
    ],
)
def test_an_error_is_one_line_and_what_to_do_next(error: errors.VaultError, code: int) -> None:
    """For people on standard error, and in the exit code for scripts."""
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == code
    assert result.stdout == ""
    said, following = result.stderr.splitlines()
    assert said == f"error: {error}"
    assert following.startswith("next: ")


def test_a_denial_shows_the_clause() -> None:
    """Who is refused reads the promise that refuses."""
    clause = "We use payment information for payment processing purposes only."
    error = errors.PermissionDenied(status.REASON_METHOD_NOT_ALLOWED, "the policy does not allow this", clause=clause)
    result = CliRunner().invoke(failing(error), ["fail"])
    assert f"clause: {clause}\n" in result.stderr


def test_an_error_is_json_for_who_asked_for_json() -> None:
    """One object on standard error; standard output stays empty."""
    error = errors.PermissionDenied(status.REASON_FIELD_NOT_ALLOWED, "no", purpose="p", field="payment.*", clause="c")
    result = CliRunner().invoke(failing(error), ["fail", "--json"])
    assert result.stdout == ""
    found = json.loads(result.stderr)["error"]
    assert found | {"next": ""} == {
        "kind": "PermissionDenied",
        "reason": "FIELD_NOT_ALLOWED",
        "message": "no",
        "next": "",
        "purpose": "p",
        "field": "payment.*",
        "clause": "c",
    }


def test_a_wrong_setting_has_a_reason_of_its_own_in_json() -> None:
    """A program must tell it from a server that is down."""
    result = CliRunner().invoke(failing(errors.ConfigError("vault.toml", "", "is missing")), ["fail", "--json"])
    assert json.loads(result.stderr)["error"]["reason"] == "CONFIGURATION"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--nonsense", "--json"], "No such option '--nonsense'"),
        (["nonsense", "--json"], "No such command 'nonsense'"),
        (["card", "show", "--json"], "Missing argument 'customers/ID/cards/ID'"),
        (["audit", "tail", "--json", "-n", "x"], "Invalid value for '-n'"),
    ],
)
def test_a_usage_error_is_json_too(args: list[str], message: str) -> None:
    """Wherever on the line it is, before --json is reached or after; exit code 2."""
    result = CliRunner().invoke(root, args)
    assert (result.exit_code, result.stdout) == (2, "")
    found = json.loads(result.stderr)["error"]
    assert message in found["message"]
    assert found["reason"] == "USAGE"
    assert found["next"].endswith("--help")


def test_a_usage_error_shows_people_the_usage() -> None:
    """And what comes after `--` is an argument and asks for no JSON."""
    result = CliRunner().invoke(root, ["nonsense", "--", "--json"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: ")


@pytest.mark.parametrize(("args", "reads"), [(["fail"], "text"), (["fail", "--json"], "json")])
def test_ctrl_c_is_said_and_exits_as_the_signal_does(args: list[str], reads: str) -> None:
    """A shell loop around the command stops, too."""
    result = CliRunner().invoke(failing(KeyboardInterrupt()), args)
    assert result.exit_code == 130
    if reads == "json":
        assert json.loads(result.stderr)["error"]["reason"] == "INTERRUPTED"
    else:
        assert result.stderr.splitlines()[-2] == "error: interrupted"


@pytest.mark.parametrize("stdin", ["n\n", ""])
def test_a_no_is_no_success_and_no_interruption(stdin: str) -> None:
    """Declined, or nobody there to answer: exit code 1, on lines of their own below the question."""
    result = CliRunner().invoke(root, ["customer", "erase", "42"], input=stdin)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-2] == "error: nothing was done, for nobody said yes"
    declined = CliRunner().invoke(failing(click.Abort()), ["fail", "--json"])
    assert json.loads(declined.stderr)["error"]["reason"] == "NOT_CONFIRMED"


def test_a_program_is_asked_nothing() -> None:
    """A question would stand before the JSON, and no program reads it."""
    result = CliRunner().invoke(root, ["customer", "erase", "42", "--json"], input="y\n")
    assert result.exit_code == 2
    assert "--yes" in json.loads(result.stderr)["error"]["message"]


def test_a_note_of_the_command_is_the_next_step() -> None:
    """It knows better than the table."""
    error = errors.Unavailable("not now")
    error.add_note("try the other one")
    assert failures.next_step(error) == "try the other one"


def test_an_error_that_nobody_foresaw_says_its_kind_and_place_and_no_text() -> None:
    """Its text may quote a value; a traceback would show more."""
    result = CliRunner().invoke(failing(ValueError("4111111111111111 is not a colour")), ["fail"])
    assert result.exit_code == 1
    assert "4111" not in result.output
    assert "Traceback" not in result.output
    assert "ValueError in test_frame.py:" in result.stderr


def kinds(kind: type[errors.VaultError]) -> Iterator[type[errors.VaultError]]:
    """A kind of error and all below it."""
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


@pytest.mark.parametrize("kind", list(kinds(errors.VaultError)), ids=lambda kind: kind.__name__)
def test_each_kind_of_error_has_a_next_step(kind: type[errors.VaultError]) -> None:
    """A new kind must not end in silence."""
    assert failures.next_step(kind.__new__(kind))


def test_a_contradicting_vault_says_stop() -> None:
    """Trying again is the wrong thing to do when a pin does not match."""
    from vault.client import PinMismatch  # noqa: PLC0415 - the others must not depend on gRPC

    assert failures.next_step(PinMismatch("vault_id")).startswith("stop")


def test_a_reader_that_has_seen_enough_causes_no_complaint() -> None:
    """`customer-vault … | head -1`."""
    with subprocess.Popen(
        [*COMMAND, "policy", "check", str(DEFAULT), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=60) == 141
    assert said == b""


@pytest.mark.parametrize(
    "args", [("policy", "check", str(DEFAULT)), ("policy", "check", str(DEFAULT), "--json"), ("-h",)]
)
def test_output_that_cannot_be_written_is_no_mistake_of_ours(args: tuple[str, ...]) -> None:
    """A full disk behind `>`: exit code 1, one error, and no complaint of Python's at the end."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    if "--json" in args:
        assert json.loads(done.stderr)["error"]["reason"] == "OUTPUT"
    else:
        said, following = done.stderr.splitlines()
        assert said == "error: cannot write the output: No space left on device"
        assert following.startswith("next: ")


def test_where_nothing_can_be_written_the_exit_code_is_left() -> None:
    """Standard error on the same full disk."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "doctor", "/nowhere"], stdout=full, stderr=full, check=False)
    assert done.returncode == 2
