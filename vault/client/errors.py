"""What only a caller can find out: the vault's answer contradicts what this caller knows.

    VaultError
    └── Untrusted                 stop, and tell whoever operates the vault
        ├── PinMismatch           a key, an audience or a vault other than the pinned one
        ├── BadCheckpoint         none, or not signed by the pinned key of a pinned log
        ├── NotProven             a log that grew, and for a minute no proof of it
        └── RolledBack            a log that shrank or was rewritten: a restored database, or a fork

None of them is transient, so none is retried: a vault that is healthy never causes one. `RolledBack` stays: the client
sends nothing more until an operator has looked. `NotProven` ends with the first proof. They are kept apart from
`DataLoss`, which is about one record.
"""

from vault.errors import VaultError


class Untrusted(VaultError):  # noqa: N818 - in the style of the tree that it extends
    """The vault answered something that it must not."""


class PinMismatch(Untrusted):
    """The vault showed a key, an audience or an identity that pins.json does not list."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not what pins.json lists")
        self.what = what


class BadCheckpoint(Untrusted):
    """An answer carried no checkpoint, or one that no pinned log signed."""


class NotProven(Untrusted):
    """A log has grown, and the vault has proven for a minute not once that it only grew.

    Nothing is sent until it does; a proof is asked for again with each call, at most every 10 seconds.
    """

    def __init__(self, origin: str, proven: int, shown: int, miss: str) -> None:
        super().__init__(
            f"log {origin}: no proof that its {shown} entries continue the {proven} that were seen before"
            f"{f' ({miss})' if miss else ''}; nothing is sent until there is one; every caller must be allowed "
            "AuditService.GetConsistencyProof; if it is, treat the log as rewritten"
        )
        self.origin = origin
        self.proven = proven
        self.shown = shown


class RolledBack(Untrusted):
    """A log is smaller than this caller has seen it, has another root at the same size, or did not grow from it.

    Every later call of the client raises it again, and so does a new client with the same state file: see
    vault.client.checkpoints.
    """

    def __init__(self, origin: str, seen: int, shown: int, kept: str = "") -> None:
        what = "was rewritten" if seen <= shown else "shrank"
        how = ", and they do not continue those" if seen < shown else ""
        found = f"log {origin} {what}: {seen} entries were seen before, {shown} were shown after{how}"
        way_out = (
            f"both signed checkpoints are in {kept}: compare them with the vault's log (audit verify --witness), keep "
            "a copy, and delete the file and restart only when you know why"
            if kept
            else "restart only when you know why; no state file is set, so nothing is kept of it"
        )
        super().__init__(f"{found}; nothing more is sent; {way_out}")
        self.origin = origin
        self.seen = seen
        self.shown = shown
