"""The one table from errors to status codes, and what a client can read from an answer."""

import importlib
import pkgutil

import grpc
import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]

import vault
from vault import errors
from vault.server import status
from vault.v1 import status_pb2 as v1


def all_errors() -> set[type[errors.VaultError]]:
    """Every error class of the whole package, but for the SDK's: those are raised at the caller's end."""
    for module in pkgutil.walk_packages(vault.__path__, "vault."):
        if not module.name.startswith(("vault.cli", "vault.client", "vault.__main__")):
            importlib.import_module(module.name)
    found: set[type[errors.VaultError]] = {errors.VaultError}
    todo = [errors.VaultError]
    while todo:
        below = todo.pop().__subclasses__()
        found.update(below)
        todo.extend(below)
    return {kind for kind in found if not kind.__module__.startswith("vault.client")}


def test_every_error_has_its_line_in_the_table() -> None:
    """And every line its error."""
    assert all_errors() == set(status.CODES)


def test_the_codes_are_those_that_the_errors_promise() -> None:
    """The right column of the tree in `vault.errors` is the contract; the table must say the same."""
    promised = {}
    for line in (errors.__doc__ or "").splitlines():
        words = line.strip("│├└─ ").split()
        if len(words) > 2 and words[-1].isupper() and words[-1] in grpc.StatusCode.__members__:
            promised[words[0]] = words[-1]
    assert len(promised) > 10
    assert {
        kind.__name__: code.name for kind, code in status.CODES.items() if code is not grpc.StatusCode.INTERNAL
    } == promised


def test_an_unknown_kind_is_internal() -> None:
    """Also a subclass that somebody forgot to put into the table: its text is not known to be fixed."""

    class Forgotten(errors.NotFound):
        pass

    try:
        said = status.of(Forgotten("4111111111111111"), "c-1")
        assert said.code == grpc.StatusCode.INTERNAL.value[0]
        assert said.message == "internal error, see the server's log at c-1"
    finally:
        # Classes live until they are collected, and the walk above would find this one.
        del Forgotten
        importlib.import_module("gc").collect()


def parts(error: BaseException) -> tuple[int, str, details.ErrorInfo, details.BadRequest | None]:
    """An answer taken apart."""
    said = status.of(error, "c-1")
    info, bad = details.ErrorInfo(), None
    assert said.details[0].Unpack(info)
    if len(said.details) > 1:
        bad = details.BadRequest()
        assert said.details[1].Unpack(bad)
    return said.code, said.message, info, bad


def test_a_wrong_field_is_named_with_its_rule() -> None:
    """In BadRequest, for programs; in the message, for people."""
    code, message, info, bad = parts(errors.InvalidArgument("contact.email", "must be an e-mail address"))
    assert code == 3
    assert message == "contact.email: must be an e-mail address"
    assert (info.domain, info.reason) == ("customer-vault", "INVALID_FIELD")
    assert bad is not None
    assert [(one.field, one.description) for one in bad.field_violations] == [
        ("contact.email", "must be an e-mail address")
    ]


def test_a_denial_by_policy_carries_purpose_field_and_clause() -> None:
    """So that a developer sees which sentence of the privacy policy says no."""
    denied = errors.PermissionDenied(
        v1.REASON_FIELD_NOT_ALLOWED, "not for this purpose", purpose="news", field="contact.name", clause="We use …"
    )
    code, _, info, _ = parts(denied)
    assert code == 7
    assert info.reason == "FIELD_NOT_ALLOWED"
    assert dict(info.metadata) == {
        "correlation": "c-1",
        "purpose": "news",
        "field": "contact.name",
        "clause": "We use …",
    }


def test_a_denial_that_depends_on_the_customer_carries_nothing() -> None:
    """It must read the same whether or not the customer exists."""
    _, _, info, _ = parts(errors.PermissionDenied(v1.REASON_CUSTOMER_NOT_AVAILABLE, "not available"))
    assert set(info.metadata) == {"correlation"}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("4111111111111111"),
        errors.ConfigError("/etc/secret/path", "key", "4111111111111111"),
        errors.OpenError("4111111111111111"),
        errors.VaultError("4111111111111111"),
        ExceptionGroup("4111111111111111", [errors.NotFound("4111111111111111")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_our_mistake_reads_the_same_whatever_it_is(error: Exception) -> None:
    """A fixed text and where to look."""
    code, message, info, _ = parts(error)
    assert code == grpc.StatusCode.INTERNAL.value[0]
    assert message == "internal error, see the server's log at c-1"
    assert info.reason == "INTERNAL"
    assert dict(info.metadata) == {"correlation": "c-1"}
