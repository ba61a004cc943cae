"""The statement of an erasure: what was destroyed, from when on nothing opens it, and who had read what before.

It is JSON, for the customer and for anybody whom the customer shows it to. Its SHA-256 stands in the erasure's own
entry, so the log's signature over the tree is a signature over the statement, under a key that callers pin already: no
second key to guard, and a vault that gave two statements would need two entries.

An entry must name nobody after the erasure, and a bare digest would confirm a guess ("was it 42?"): so each statement
holds 16 random bytes that stand nowhere else.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from vault.service.trail import Recipient

FORMAT: Final = "customer-vault/1 erasure-receipt"
_HORIZON: Final = (
    "Backups of the data from before the erasure open nothing without a key-store backup from before it. When the last "
    "of those is deleted, nothing is left that opens."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a statement says, but for the counts, which are known when it happens."""

    vault_id: bytes
    policy: bytes
    customer_id: str
    subject: bytes
    """Empty if the customer record did not open."""
    time: int
    records: Sequence[str]
    """Names under the owner."""
    recipients: Sequence[Recipient]
    log_id: str
    mail_rule: str = "deliver"
    """What the policy says of mail that waits."""
    mail_lost: int = 0
    """Messages that were neither delivered nor returned, because the officer said so."""


def statement(facts: Facts, keys: int, rows: int) -> str:
    """The JSON text; another one each time.

    Args:
        facts: all that is known before.
        keys: record keys that go.
        rows: records that go.
    """
    document = {
        "format": FORMAT,
        "vault_id": facts.vault_id.hex(),
        "customer_id": facts.customer_id,
        "subject": facts.subject.hex(),
        "erase_time": moment(facts.time),
        "keys_destroyed": keys,
        "records_removed": rows,
        "records": list(facts.records),
        "mail": {"first": facts.mail_rule, "messages_lost": facts.mail_lost},
        "horizon": {"time": None, "rule": _HORIZON},
        "recipients": [
            {
                "caller": each.caller,
                "purpose": each.purpose,
                "fields": sorted(each.fields),
                "reads": each.reads,
                "first": moment(each.first),
                "last": moment(each.last),
            }
            for each in facts.recipients
        ],
        "log_id": facts.log_id,
        "policy": facts.policy.hex(),
        "nonce": secrets.token_hex(16),
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def digest(text: str) -> bytes:
    """What of a statement stands in the log, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def moment(milliseconds: int) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
