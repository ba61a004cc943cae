"""A log's store in memory, which can be made to fail, and entries to fill it with."""

from collections.abc import Sequence

from vault.audit.entry import Subject, entry_bytes
from vault.crypto.note import LogKey
from vault.domain.names import CustomerId, contact_name
from vault.domain.secret import Secret
from vault.store.v1.audit_entry_pb2 import Outcome

ORIGIN = "vault.example/log/0"
KEY = LogKey(Secret(bytes(range(32))))
OTHER_KEY = LogKey(Secret(bytes(range(1, 33))))
START = 1_790_000_000_000


def make_entry(i: int, time: int = 0) -> bytes:
    """The i-th of a row of ordinary reads, a tenth of a second apart unless `time` says otherwise."""
    return entry_bytes(
        time or START + i * 100,
        "spiffe://vault.example/provisioning",
        "service_provisioning",
        "ContactService.GetContact",
        outcome=Outcome.OUTCOME_ALLOWED,
        subjects=[Subject(i.to_bytes(16, "big"))],
        records=[contact_name(CustomerId(str(i)))],
        fields=["contact.name"],
    )


class FakeLogStore:
    """One log in lists; `failure`, once set, is raised by every call."""

    def __init__(self, entries: Sequence[bytes] = ()) -> None:
        self.entries: list[tuple[int, bytes]] = list(enumerate(entries))
        self.checkpoints: list[tuple[int, str]] = []
        self.lease: tuple[str, int] | None = None
        self.failure: Exception | None = None
        self.reads = 0

    def append(self, *entries: bytes) -> None:
        """What a commit does."""
        for entry in entries:
            self.entries.append((len(self.entries), entry))

    async def acquire_log(self, log_id: str, holder: str, now: int, lease_ms: int) -> bool:
        """As the port says."""
        self._fail()
        if self.lease and self.lease[0] != holder and self.lease[1] > now:
            return False
        self.lease = (holder, now + lease_ms)
        return True

    async def log_size(self, log_id: str) -> int:
        """As the port says."""
        self._fail()
        return len(self.entries)

    async def log_entries(self, log_id: str, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """As the port says."""
        self._fail()
        self.reads += 1
        return self.entries[start : start + limit]

    async def add_checkpoint(self, log_id: str, size: int, note: str) -> None:
        """As the port says; a size is never signed twice."""
        self._fail()
        assert size not in dict(self.checkpoints)
        self.checkpoints.append((size, note))

    async def newest_checkpoint(self, log_id: str) -> tuple[int, str] | None:
        """As the port says."""
        self._fail()
        return max(self.checkpoints, default=None)

    def _fail(self) -> None:
        if self.failure:
            raise self.failure
