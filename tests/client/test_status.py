"""Every error that the vault can send arrives as itself; what others send is told apart."""

import grpc
import pytest
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]
from google.rpc import status_pb2 as rpc
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from vault import errors
from vault.client.status import from_item, from_rpc
from vault.server import status as server
from vault.service.outcomes import item_status
from vault.v1 import status_pb2 as status

SENT = [
    errors.InvalidArgument("card.expiry", "must be MM/YYYY"),
    errors.InvalidArgument("request_id", "was used", reason=status.REASON_REQUEST_ID_REUSED),
    errors.Unauthenticated("no certificate"),
    errors.PermissionDenied(
        status.REASON_FIELD_NOT_ALLOWED,
        "the policy does not allow it",
        purpose="service_provisioning",
        field="payment.card_number",
        clause="We use payment information for payment processing purposes only.",
    ),
    errors.PermissionDenied(status.REASON_CUSTOMER_NOT_AVAILABLE, "not available"),
    errors.NotFound("nothing there"),
    errors.NotFound("nothing there", reason=status.REASON_CUSTOMER_NOT_AVAILABLE),
    errors.AlreadyExists("taken"),
    errors.AlreadyExists("erased", reason=status.REASON_ERASED),
    errors.Conflict("lost a race"),
    errors.FailedPrecondition(status.REASON_EPOCH_NOT_USABLE, "publish a new one"),
    errors.DeadlineExceeded("the deadline has passed"),
    errors.Unavailable("not now"),
    errors.OutcomeUnknown("may be done"),
    errors.ResourceExhausted("the disk is full"),
    errors.RateLimited("too many", after=1.5),
    errors.DataLoss("does not open"),
]


def rpc_error(code: StatusCode, message: str, rich: bytes | None = None) -> AioRpcError:
    """As grpc.aio raises it."""
    trailing = Metadata() if rich is None else Metadata((server.DETAILS_KEY, rich))
    return AioRpcError(code, Metadata(), trailing, message)


def arrived(code: StatusCode, message: str, rich: bytes | None = None, *, write: bool) -> errors.VaultError:
    """What a client makes of it."""
    return from_rpc(rpc_error(code, message, rich), write=write).error


def over_the_wire(error: errors.VaultError) -> errors.VaultError:
    """What the server makes of an error, and the client of that."""
    sent = server.of(error, "c0ffee")
    return arrived(server.code(error), sent.message, sent.SerializeToString(), write=True)


@pytest.mark.parametrize("error", SENT, ids=lambda e: f"{type(e).__name__}-{e.reason}")
def test_the_vaults_errors_arrive_as_themselves(error: errors.VaultError) -> None:
    """Type, text, reason, and what a denial or an invalid field says besides."""
    received = over_the_wire(error)
    assert type(received) is type(error)
    assert str(received) == str(error)
    assert {"reason": received.reason} | vars(received) == {"reason": error.reason} | vars(error)


def test_every_error_of_the_wire_is_tested() -> None:
    """A new error without a line here fails."""
    sent = {kind for kind, code in server.CODES.items() if code is not StatusCode.INTERNAL}
    assert {type(error) for error in SENT} == sent


@pytest.mark.parametrize("error", [e for e in SENT if isinstance(e, errors.CallerError | errors.DataLoss)])
def test_items_of_a_batch_arrive_as_errors(error: errors.VaultError) -> None:
    """With the reason and, for a field, its path within the item."""
    item = item_status(error)
    received = from_item(item)
    assert (received.reason, str(received)) == (error.reason, str(error))
    if isinstance(error, errors.InvalidArgument | errors.NotFound | errors.AlreadyExists | errors.DataLoss):
        assert type(received) is type(error)


def test_an_items_path_is_left_out() -> None:
    """The caller knows its item, not the request."""
    item = item_status(errors.InvalidArgument("requests[7].card.expiry", "must be MM/YYYY"))
    received = from_item(item, "requests[7].")
    assert isinstance(received, errors.InvalidArgument)
    assert (received.field, str(received)) == ("card.expiry", "card.expiry: must be MM/YYYY")


@pytest.mark.parametrize("error", SENT, ids=lambda e: f"{type(e).__name__}-{e.reason}")
def test_only_not_now_is_worth_another_attempt(error: errors.VaultError) -> None:
    """And only of an unknown outcome the vault says that something may have been done."""
    sent = server.of(error, "c0ffee")
    failure = from_rpc(rpc_error(server.code(error), sent.message, sent.SerializeToString()), write=True)
    assert failure.passing == isinstance(error, errors.Unavailable | errors.OutcomeUnknown | errors.RateLimited)
    assert failure.sent == isinstance(error, errors.OutcomeUnknown)


def test_mistakes_are_plain_errors() -> None:
    """No caller can act on the kind."""
    assert type(arrived(StatusCode.UNIMPLEMENTED, "", write=False)) is errors.VaultError
    assert arrived(StatusCode.UNIMPLEMENTED, "", write=False).args == ("the vault did not answer",)


@pytest.mark.parametrize("code", list(grpc.StatusCode))
@pytest.mark.parametrize("rich", [None, b"", b"\xff", rpc.Status(code=99).SerializeToString()])
def test_no_answer_makes_another_exception(code: StatusCode, rich: bytes | None) -> None:
    """Whatever comes with a code, a VaultError comes out."""
    assert isinstance(arrived(code, "x", rich, write=True), errors.VaultError)


def test_details_of_somebody_else_are_not_the_vaults() -> None:
    """A proxy's ErrorInfo does not decide what we tell the caller."""
    sent = rpc.Status(code=14, message="x")
    sent.details.add().Pack(details.ErrorInfo(reason="NOT_FOUND", domain="proxy.example"))
    assert type(arrived(StatusCode.UNAVAILABLE, "x", sent.SerializeToString(), write=True)) is errors.OutcomeUnknown


def test_details_that_do_not_parse_are_left_out() -> None:
    """The right type with the wrong bytes."""
    sent = server.of(errors.InvalidArgument("card.expiry", "must be MM/YYYY"), "c0ffee")
    sent.details[1].value = b"\xff"
    error = arrived(StatusCode.INVALID_ARGUMENT, sent.message, sent.SerializeToString(), write=True)
    assert isinstance(error, errors.InvalidArgument)
    assert error.field == "request"


def test_a_reason_of_a_newer_vault_is_no_mistake() -> None:
    """The kind still says who must act."""
    sent = rpc.Status(code=8, message="x")
    sent.details.add().Pack(details.ErrorInfo(reason="FROM_THE_FUTURE", domain="customer-vault"))
    error = arrived(StatusCode.RESOURCE_EXHAUSTED, "x", sent.SerializeToString(), write=True)
    assert (type(error), error.reason) == (errors.ResourceExhausted, status.REASON_EXHAUSTED)


def test_texts_are_cut_and_cleaned() -> None:
    """What the other side says goes to somebody's log."""
    said = str(arrived(StatusCode.NOT_FOUND, "a\nb\x1b[31m" + "x" * 1000, write=False))
    assert said.startswith("a b [31m")
    assert len(said) == 300
