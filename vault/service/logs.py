"""AuditService: the log, for auditors; its newest checkpoint and the proof that it only grows, for everyone.

Proofs are made by the process that writes the log, because it has the tree.
"""

from itertools import pairwise

from vault.audit.log import AuditLog
from vault.errors import InvalidArgument, NotFound
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.paging import DEFAULT_SIZE, name_after, token_after
from vault.service.reporting import Reporting
from vault.v1 import audit_service_pb2 as v1

_NOT_SIGNED = "must be at most that of the newest checkpoint"


class Logs(Reporting):
    """Lists entries and gives checkpoints."""

    async def list_entries(self, call: Call, request: v1.ListEntriesRequest) -> v1.ListEntriesResponse:
        """Entries of one log, ascending. Reading the log is in the log."""
        log_id = await self._log_id(request.log_id)
        start, limit = request.start_index, request.page_size or DEFAULT_SIZE
        if request.page_token:
            after = name_after(request.page_token)
            if not (after.isascii() and after.isdigit()):
                raise InvalidArgument("page_token", "must be one that the server gave")
            start = int(after) + 1
        if start >= 1 << 63:
            raise InvalidArgument("start_index", "must be below 2^63")
        await self._parts.journal.append(call, touched_entry(call, Touched()))
        found = await self._parts.store.log_entries(log_id, start, limit)
        response = v1.ListEntriesResponse()
        for index, entry in found:
            response.entries.add(log_id=log_id, index=index, entry=entry)
        if len(found) == limit:
            response.next_page_token = token_after(str(found[-1][0]))
        return response

    async def get_checkpoint(self, call: Call, request: v1.GetCheckpointRequest) -> v1.GetCheckpointResponse:
        """The newest signed checkpoint of a log."""
        log_id = await self._log_id(request.log_id)
        await self._parts.journal.append(call, touched_entry(call, Touched()))
        newest = await self._parts.store.newest_checkpoint(log_id)
        if newest is None:
            raise NotFound("log_id: the log has no checkpoint yet; ask again in a second")
        return v1.GetCheckpointResponse(log_id=log_id, checkpoint=newest[1])

    async def get_inclusion_proof(
        self, call: Call, request: v1.GetInclusionProofRequest
    ) -> v1.GetInclusionProofResponse:
        """That an entry stands in the log, for whoever is shown the entry and does not trust the vault."""
        log = await self._own(request.log_id)
        note, signed = log.newest.decode(), log.signed
        size = request.tree_size or signed
        if size > signed:
            raise InvalidArgument("tree_size", _NOT_SIGNED)
        if request.index >= size:
            raise InvalidArgument("index", "must be below tree_size; a new entry is signed within a second")
        await self._parts.journal.append(call, touched_entry(call, Touched()))
        return v1.GetInclusionProofResponse(
            log_id=log.log_id,
            index=request.index,
            tree_size=size,
            leaf_hash=await log.proofs.leaf_hash(request.index),
            hashes=await log.proofs.inclusion(request.index, size),
            checkpoint=note,
        )

    async def get_consistency_proof(
        self, _call: Call, request: v1.GetConsistencyProofRequest
    ) -> v1.GetConsistencyProofResponse:
        """That the log only grew between sizes. Not logged: see the .proto."""
        log = await self._own(request.log_id)
        sizes = list(request.tree_sizes)
        if any(first >= second for first, second in pairwise(sizes)):
            raise InvalidArgument("tree_sizes", "must ascend")
        if sizes[-1] > log.signed:
            raise InvalidArgument("tree_sizes", _NOT_SIGNED)
        response = v1.GetConsistencyProofResponse(log_id=log.log_id)
        for first, second in pairwise(sizes):
            hashes = await log.proofs.consistency(first, second)
            response.proofs.add(first_size=first, second_size=second, hashes=hashes)
        return response

    async def _own(self, asked: str) -> AuditLog:
        """The log that this process writes."""
        if await self._log_id(asked) != self._parts.log.log_id:
            raise NotFound("log_id: only the process that writes a log proves something about it; ask that one")
        return self._parts.log

    async def _log_id(self, asked: str) -> str:
        if not asked:
            return self._parts.journal.log_id
        if asked not in await self._parts.store.log_ids():
            raise NotFound("log_id: there is no such log")
        return asked
