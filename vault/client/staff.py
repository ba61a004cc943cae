"""The privacy officer, the operator and the auditor: none of them reads a field."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from vault.client.base import VaultClient
from vault.client.chosen_ids import checked
from vault.client.customers import CustomerReader
from vault.client.disclosures import DisclosureReader
from vault.client.paging import pages
from vault.client.statements import Statements
from vault.client.streams import STREAM_DEADLINE, download
from vault.client.unanswered import Failure
from vault.crypto.receipt import ReceiptFile
from vault.crypto.tlog_proof import ProofFile
from vault.errors import DataLoss, InvalidArgument, OpenError, Unavailable
from vault.v1 import audit_service_pb2, customer_service_pb2, key_service_pb2, retention_service_pb2

_UNTIL_SIGNED_S: Final = 0.3
"""Between two questions whether the log is signed so far; it is each second."""
_TRIES: Final = 40


class AccessReporter(VaultClient):
    """Asks the log whose data a caller has read."""

    async def report_access(
        self, caller: str, *, since_ms: int = 0, until_ms: int = 0, names: bool = False
    ) -> AsyncIterator[audit_service_pb2.Accessed]:
        """One for each customer, by pseudonym.

        Args:
            caller: SPIFFE ID.
            since_ms: from this time on, milliseconds since 1970.
            until_ms: before this time; 0 is no bound.
            names: also whose pseudonyms these are, for who may export a customer.

        Raises:
            PermissionDenied: names were asked for by who may not export a customer.
            Unavailable: the stream broke; ask again.
        """
        request = audit_service_pb2.ReportAccessRequest(
            caller=caller, since_ms=since_ms, until_ms=until_ms, names=names
        )
        ends = asyncio.get_running_loop().time() + STREAM_DEADLINE
        connection = self._connection
        async with connection.streams:
            answers = download(connection, connection.audit.ReportAccess, request, ends=ends)
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    if isinstance(answer, Failure):
                        raise answer.error
                    for each in answer.accessed:
                        yield each


class OfficerClient(CustomerReader, AccessReporter, Statements, DisclosureReader):
    """Answers for the customers' rights."""

    async def erase_customer(self, customer_id: str, *, request_id: str = "") -> customer_service_pb2.ErasureReceipt:
        """Destroy every key of a customer, then every row. There is no way back, and the id is never used again.

        It may be repeated, with or without the same request_id (a UUID): the customer stays erased.

        Raises:
            NotFound: there is no such customer.
        """
        request = customer_service_pb2.EraseCustomerRequest(customer_id=customer_id, request_id=checked(request_id))
        answer = await self._connection.call(self._connection.customers.EraseCustomer, request)
        if answer.receipt.customer_id != customer_id:
            raise DataLoss("the receipt is about another customer")
        return answer.receipt

    async def export_customer(self, customer_id: str) -> AsyncIterator[str]:
        """Everything that the vault holds of a customer: a JSON document, piece by piece.

        Its schema is vault/schemas/export-1.json. It is whole if nothing was raised at its end; what came before is
        then not to be used. What only a caller can open is in it as an envelope.

        Raises:
            NotFound: there is no such customer.
            Unavailable: the stream broke; export again.
        """
        request = customer_service_pb2.ExportCustomerRequest(customer_id=customer_id)
        ends = asyncio.get_running_loop().time() + STREAM_DEADLINE
        connection = self._connection
        async with connection.streams:
            answers = download(connection, connection.customers.ExportCustomer, request, ends=ends)
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    if isinstance(answer, Failure):
                        raise answer.error
                    yield answer.json

    async def prove_erasure(self, receipt: customer_service_pb2.ErasureReceipt) -> ReceiptFile:
        """The receipt with its proof, for the customer and whoever the customer shows it to.

        Waits until the log has signed a checkpoint over the erasure, which takes about a second.

        Raises:
            DataLoss: the log did not sign this statement at this place.
            Unavailable: the log has not been signed for a while; ask again with the same receipt.
        """
        request = audit_service_pb2.GetInclusionProofRequest(log_id=receipt.log_id, index=receipt.log_index)
        connection = self._connection
        for _ in range(_TRIES):
            floor = connection.witness.floor()
            try:
                answer = await connection.call(connection.audit.GetInclusionProof, request)
                break
            except InvalidArgument:
                await asyncio.sleep(_UNTIL_SIGNED_S)
        else:
            raise Unavailable("the erasure is done, and not signed yet; ask for the proof again")
        connection.witness.accept(answer.checkpoint.encode(), floor)
        proof = ProofFile(receipt.entry, receipt.log_index, tuple(answer.hashes), answer.checkpoint)
        file = ReceiptFile(receipt.statement, proof)
        try:
            file.check(connection.pins.logs)
        except OpenError:
            raise DataLoss("the vault's proof does not hold: the log did not sign this receipt") from None
        return file


class OperatorClient(VaultClient):
    """Runs the vault."""

    async def list_keys(self) -> key_service_pb2.ListKeysResponse:
        """Key versions, states and ages; never a key."""
        return await self._connection.call(self._connection.keys.ListKeys, key_service_pb2.ListKeysRequest())

    async def run_retention(self) -> AsyncIterator[retention_service_pb2.RunRetentionResponse]:
        """Destroy what has come to its end: what was done, a part at a time, until all was looked at.

        Raises:
            FailedPrecondition: the vault does not trust its clock.
        """
        request = retention_service_pb2.RunRetentionRequest()
        async for page in pages(self._connection, self._connection.retention.RunRetention, request):
            yield page


class AuditorClient(AccessReporter):
    """Reads the log."""

    async def list_entries(
        self, log_id: str = "", *, start_index: int = 0
    ) -> AsyncIterator[audit_service_pb2.LoggedEntry]:
        """The entries of a log from an index on, to the newest.

        Raises:
            DataLoss: an entry is left out or out of order.
        """
        request = audit_service_pb2.ListEntriesRequest(log_id=log_id, start_index=start_index)
        expected = start_index
        async for page in pages(self._connection, self._connection.audit.ListEntries, request):
            for entry in page.entries:
                if entry.index != expected:
                    raise DataLoss("the log's entries are not in order")
                expected += 1
                yield entry

    async def prove_entry(self, index: int, log_id: str = "") -> ProofFile:
        """An entry with its proof under the newest checkpoint, checked against the pins.

        Raises:
            InvalidArgument: there is no such entry, or none that is signed yet.
            BadCheckpoint: no pinned log signed the checkpoint.
            DataLoss: the entry, or the proof, is not that of this index.
        """
        connection = self._connection
        request = audit_service_pb2.GetInclusionProofRequest(log_id=log_id, index=index)
        floor = connection.witness.floor()
        answer = await connection.call(connection.audit.GetInclusionProof, request)
        connection.witness.accept(answer.checkpoint.encode(), floor)
        listing = audit_service_pb2.ListEntriesRequest(log_id=log_id, start_index=index, page_size=1)
        entries = (await connection.call(connection.audit.ListEntries, listing)).entries
        if len(entries) != 1:
            raise DataLoss("the vault shows another number of entries than the one that it has a proof of")
        proof = ProofFile(entries[0].entry, index, tuple(answer.hashes), answer.checkpoint)
        try:
            proof.check(connection.pins.logs)
        except OpenError:
            raise DataLoss("the vault's proof does not hold: the log is not what was signed") from None
        return proof
