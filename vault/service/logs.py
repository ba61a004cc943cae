"""AuditService: the log, for auditors, and its newest checkpoint, for everyone."""

from vault.errors import InvalidArgument, NotFound
from vault.service.call import Call
from vault.service.entries import Touched, touched_entry
from vault.service.paging import DEFAULT_SIZE, name_after, token_after
from vault.service.parts import Parts
from vault.v1 import audit_service_pb2 as v1


class Logs:
    """Lists entries and gives checkpoints."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

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

    async def _log_id(self, asked: str) -> str:
        if not asked:
            return self._parts.journal.log_id
        if asked not in await self._parts.store.log_ids():
            raise NotFound("log_id: there is no such log")
        return asked
