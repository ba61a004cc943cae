"""A verifier of the data file that has no keys: the log's digests against the rows.

Each write noted the digest of the stored bytes that it wrote and of those that it replaced, under the customer's
pseudonym. So the newest digest of every record is known, and the rows must have exactly these, each once. What was
rolled back, dropped or slipped in shows, whether its key was put back with it or not.
"""

import hashlib
from collections import Counter
from pathlib import Path

from tests.abuse import disk
from vault.audit.entry import parse
from vault.store.v1.audit_entry_pb2 import AuditEntry

_ERASE = "CustomerService.EraseCustomer"
_FINISH = "Vault.FinishErasure"


def against_log(home: Path) -> list[str]:
    """What the rows of the data file have against its log; empty if all is well."""
    newest: dict[tuple[bytes, str], bytes] = {}
    found: list[str] = []
    log = sorted(disk.rows(home / disk.DATA, "log_entries"), key=lambda row: (row[0], row[1]))
    for row in log:
        entry = parse(row[2])
        if entry.action == _ERASE and entry.subjects:
            # Under a random pseudonym, with digests, if the customer's record did not open any more.
            newest = {k: v for k, v in newest.items() if k[0] != entry.subjects[0] and v not in entry.replaced}
        elif entry.action == _FINISH:
            # Under a random pseudonym, for the true one went with its key: the rows are named by their digests.
            newest = {key: digest for key, digest in newest.items() if digest not in entry.replaced}
        else:
            found += _apply(newest, entry)
    must = Counter(newest.values())
    there = Counter(hashlib.sha256(row[6]).digest() for row in disk.rows(home / disk.DATA, "records"))
    found += [f"{count} rows are not the newest that was written" for count in [(there - must).total()] if count]
    found += [f"{count} records are not there as they were written" for count in [(must - there).total()] if count]
    return found


def _apply(newest: dict[tuple[bytes, str], bytes], entry: AuditEntry) -> list[str]:
    found = []
    for subject, record, written, replaced in zip(
        entry.subjects, entry.records, entry.written, entry.replaced, strict=False
    ):
        before = newest.pop((subject, record), b"")
        if before != replaced:
            found.append("a record was replaced that was not the newest")
        if written:
            newest[subject, record] = written
    return found
