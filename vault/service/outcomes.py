"""How items of a batch fail, and what a commit's result says to the caller."""

from vault.errors import AlreadyExists, CallerError, DataLoss, InvalidArgument, NotFound, VaultError
from vault.storage.port import Result
from vault.v1 import status_pb2 as status


def item_status(error: VaultError) -> status.ItemStatus:
    """How an item of a batch failed."""
    code, field = 13, ""
    match error:
        case InvalidArgument():
            code, field = 3, error.field
        case NotFound():
            code = 5
        case AlreadyExists():
            code = 6
        case DataLoss():
            code = 15
        case CallerError() if error.reason == status.REASON_CUSTOMER_NOT_AVAILABLE:
            code = 7
        case CallerError():
            code = 9
    return status.ItemStatus(code=code, reason=error.reason, message=str(error), field=field)


def refused(result: Result) -> AlreadyExists:
    """Why a record could not be made."""
    if result is Result.ERASED:
        return AlreadyExists("a customer with this id was erased; ids are not used again", reason=status.REASON_ERASED)
    return AlreadyExists("a record with this name exists already")
