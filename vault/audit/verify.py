"""The offline verifier: is this log what was signed, and if not, which is the first bad index?

It works on bytes alone: entries in the order of the store, its checkpoints, and the origin and public key from the
reader's own pins. The store's checkpoints prove its entries against whoever cannot sign. Against a store that was put
back to an older day, or a log that signed two histories, only memory elsewhere helps: the checkpoints that callers
kept. They are walked apart, because where histories differ the store's own signatures prove nothing.

Per entry: (1) the index follows the one before, (2) the leaf hash beside it fits, (3) it parses as the writer writes.
Per checkpoint: (4) its signature and size, (5) its root. At the end: (6) no checkpoint covers more than there is, and
(7) more than a minute of entries without a newer checkpoint mean that checkpoints were taken away. `report` says how
exact an index can be.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from vault.audit.entry import parse
from vault.audit.report import Finding, Reason, Report
from vault.crypto.merkle import Frontier, LeafHash, RootHash, leaf_hash
from vault.crypto.note import open_checkpoint
from vault.errors import DataLoss, OpenError

UNSIGNED_SECONDS = 60
"""Seconds with entries that may lie behind the newest checkpoint; a running vault signs every second."""
_FLUSH = 4096

_Roots = dict[int, set[RootHash]]
"""Every root that was signed for a size; more than one is a fork."""


def verify(
    entries: Iterable[tuple[int, bytes, bytes | None]],
    checkpoints: Iterable[tuple[int, str]],
    origin: str,
    public_key: bytes,
    kept: Iterable[str | bytes] = (),
) -> Report:
    """Check a whole log.

    Args:
        entries: (index, entry, stored leaf hash or None) in the store's order, all of them; read once, as a stream.
        checkpoints: (size, signed note) of the store, all of them, in any order.
        origin: of the log, from the reader's own pins.
        public_key: of the log, 32 bytes, from the same place.
        kept: signed notes that callers kept, if any.

    Raises:
        OpenError: a kept note is not of this log.
    """
    signed = _Signed(checkpoints, origin, public_key)
    walk, kept_walk = _Walk(signed.roots), _Walk(_kept_roots(kept, origin, public_key))
    walks = (walk, kept_walk) if kept_walk.has_roots else (walk,)
    for index, entry, leaf in entries:
        for each in walks:
            each.step(index, entry, leaf)
    finding = walk.finish() or _against(walk.proven, kept_walk.finish()) or signed.finding() or walk.unsigned()
    proven = max(each.proven for each in walks)
    return Report(origin, walk.count, signed.count, proven, walk.first_time, walk.last_time, finding)


def _against(proven: int, kept: Finding | None) -> Finding | None:
    """What the kept checkpoints find in a log with which its own have no quarrel.

    A root that contradicts one that the store can show is a second history; the store's own say nothing then about
    where it begins. Behind the store's newest checkpoint it is an ordinary change.
    """
    if kept is not None and kept.reason is Reason.TRUNCATED:
        return replace(kept, first=max(kept.first, min(proven, kept.last)))
    if kept is None or kept.reason is not Reason.EDITED:
        return kept
    return replace(kept, reason=Reason.FORKED) if proven > kept.last else replace(kept, first=max(kept.first, proven))


def _kept_roots(kept: Iterable[str | bytes], origin: str, public_key: bytes) -> _Roots:
    roots: _Roots = defaultdict(set)
    for note in kept:
        checkpoint = open_checkpoint(note, origin, public_key)
        roots[checkpoint.size].add(checkpoint.root)
    return roots


class _Signed:
    """The store's checkpoints, opened: the roots for each size, and the lowest size of one that does not open."""

    def __init__(self, checkpoints: Iterable[tuple[int, str]], origin: str, public_key: bytes) -> None:
        """(4) Signature and size of each."""
        self.count = 0
        self.roots: _Roots = defaultdict(set)
        self._bad: int | None = None
        for size, note in checkpoints:
            self.count += 1
            try:
                checkpoint = open_checkpoint(note, origin, public_key)
            except OpenError:
                checkpoint = None
            if checkpoint is not None and checkpoint.size == size:
                self.roots[size].add(checkpoint.root)
            else:
                self._bad = size if self._bad is None else min(self._bad, size)

    def finding(self) -> Finding | None:
        """Of a bad one only what it was to add can be named: from the last good one before it up to its size."""
        if self._bad is None:
            return None
        below = max((size for size in self.roots if size <= self._bad), default=0)
        return Finding(Reason.CHECKPOINT, below, max(self._bad - 1, below))


class _Walk:
    """The state between entries: the tree so far, and what speaks against it since the last checkpoint."""

    def __init__(self, roots: _Roots) -> None:
        self.has_roots = bool(roots)
        self.count = 0
        self.proven = 0
        self.first_time = 0
        self.last_time = 0
        self._roots = roots
        self._sizes = sorted(roots, reverse=True)
        self._tree = Frontier()
        self._hashes: list[LeafHash] = []
        self._finding: Finding | None = None
        self._in_sequence = True
        # A signed root was not ours; if a later one is, the log signed two histories.
        self._contradicted = False
        self._clear()
        self._compare()

    def _clear(self) -> None:
        """A checkpoint has decided: begin to collect evidence anew."""
        self._evidence: Finding | None = None
        # The tree that the stored leaf hashes make, from the first one that does not fit its entry.
        self._claimed: Frontier | None = None
        self._claims: list[LeafHash] = []
        self._seconds: set[int] = set()

    def step(self, index: int, entry: bytes, leaf: bytes | None) -> None:
        """Take the next entry; behind a break in the sequence they are only counted, since no tree can be built."""
        # (1) the index
        if self._in_sequence and index != self.count:
            self._in_sequence = False
            self._find(self._evidence or Finding.at(Reason.SEQUENCE, min(index, self.count)))
        self.count += 1
        if not self._in_sequence:
            return
        # (2) the leaf hash
        computed = leaf_hash(entry)
        if leaf is not None and leaf != computed and self._claimed is None:
            self._flush()
            self._claimed = self._tree.copy()
            self._evidence = self._evidence or Finding.at(Reason.EDITED, index)
        self._hashes.append(computed)
        if self._claimed is not None:
            self._claims.append(computed if leaf is None else LeafHash(leaf))
        # (3) the entry
        self._read(index, entry)
        if len(self._hashes) >= _FLUSH:
            self._flush()
        self._compare()

    def _read(self, index: int, entry: bytes) -> None:
        try:
            time = parse(entry).time
        except DataLoss:
            self._evidence = self._evidence or Finding.at(Reason.UNREADABLE, index)
            return
        self.first_time = min(self.first_time or time, time)
        self.last_time = max(self.last_time, time)
        self._seconds.add(time // 1000)

    def _compare(self) -> None:
        """(5) Where a checkpoint stands, the roots decide what the evidence is worth."""
        if not self._sizes or self._sizes[-1] != self.count:
            return
        self._flush()
        signed, root = self._roots[self._sizes.pop()], self._tree.root()
        if signed != {root}:
            self._contradicted = self._contradicted or self._finding is None
            self._find(self._mismatch(signed, root))
        elif self._contradicted and self._finding is not None:
            self._finding = replace(self._finding, reason=Reason.FORKED, first=0)
        else:
            self._find(self._evidence)
        if root in signed:
            self.proven = self.count
        self._clear()

    def _mismatch(self, signed: set[RootHash], root: RootHash) -> Finding:
        """Between the last good checkpoint and this one something is not as signed: say where, as exactly as can be."""
        newest = max(self.count - 1, self.proven)
        if root in signed:
            return Finding(Reason.FORKED, 0, newest)
        if self._evidence is None:
            return Finding(Reason.EDITED, self.proven, newest)
        if self._claimed is not None and self._claimed.root() in signed:
            return self._evidence
        return Finding(Reason.EDITED, self.proven, self._evidence.first)

    def finish(self) -> Finding | None:
        """What is wrong with the whole; behind the newest checkpoint evidence is all there is."""
        if self._in_sequence:
            self._find(self._evidence)
            # (6) what was signed is there
            if self._sizes:
                # An entry may as well have been taken out further up and those behind it renumbered, down to the newest
                # checkpoint that can still be compared.
                self._find(Finding(Reason.TRUNCATED, self.proven, self.count))
        return self._finding

    def unsigned(self) -> Finding | None:
        """(7) No checkpoint at all, or none for too long."""
        if (self.count and not self.has_roots) or len(self._seconds) > UNSIGNED_SECONDS:
            return Finding.at(Reason.UNSIGNED, self.proven)
        return None

    def _find(self, finding: Finding | None) -> None:
        """Keep the first finding."""
        self._finding = self._finding or finding

    def _flush(self) -> None:
        self._tree.extend(self._hashes)
        self._hashes.clear()
        if self._claimed is not None:
            self._claimed.extend(self._claims)
            self._claims.clear()
