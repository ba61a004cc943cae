"""Every family of figures that the vault gives: the one table that the code, the documentation and alert rules share.

A label is a role, a purpose, a method, a store: words of the policy and of ours, of which there are few. No label ever
holds an id of a customer or a card, a caller's SPIFFE ID (it may name a person) or anything that a caller sent; who is
not in the policy is `unknown`. Nothing that is not in this table can be shown. Names follow Prometheus: seconds and
bytes, `_total` for what only grows, `_timestamp_seconds` for moments since 1970. A family, once released, keeps its
meaning.

| family | kind | labels |
|---|---|---|
| vault_calls_total | counter | method, role, code, reason |
| vault_call_seconds | histogram | method |
| vault_calls_in_flight, vault_calls_waiting | gauge | |
| vault_records_total | counter | role |
| vault_calls_limited_total | counter | role, limit |
| vault_commit_seconds, vault_commit_calls | histogram | |
| vault_commit_failures_total | counter | |
| vault_writer_queue | gauge | |
| vault_log_entries, vault_log_unsigned_entries, vault_log_lag_seconds | gauge | |
| vault_witness_unseen_entries, vault_witness_failing, vault_witness_last_success_timestamp_seconds | gauge | |
| vault_witness_failures_total | counter | |
| vault_epoch_age_seconds, vault_epoch_due_seconds, vault_epoch_step | gauge | audience |
| vault_epochs_published | gauge | |
| vault_vault_key_created_timestamp_seconds, vault_vault_key_due_timestamp_seconds | gauge | version |
| vault_purpose_key_created_timestamp_seconds | gauge | purpose, custody, version |
| vault_purpose_key_due_timestamp_seconds | gauge | purpose, custody, version |
| vault_certificate_expiry_timestamp_seconds | gauge | certificate |
| vault_cache_entries, vault_cache_capacity | gauge | cache |
| vault_cache_hits_total, vault_cache_misses_total | counter | cache |
| vault_store_bytes | gauge | store, part |
| vault_disk_free_bytes | gauge | store |
| vault_keys_owed, vault_keys_retired, vault_keys_retired_oldest_age_seconds | gauge | |
| vault_upkeep_last_success_timestamp_seconds | gauge | |
| vault_upkeep_failures_total | counter | |
| vault_reloads_total, vault_reload_failures_total | counter | file |
| vault_reload_last_good_timestamp_seconds, vault_reload_refused | gauge | file |
| vault_policy_info | gauge | digest |
| vault_serving | gauge | |
| vault_degraded | gauge | reason |
| vault_build_info | gauge | version, sqlite, python, grpc |
| process_* | | of prometheus-client: CPU, memory, descriptors, start |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Family:
    """One family: `about` is its HELP line."""

    kind: Kind
    about: str
    labels: tuple[str, ...] = ()


FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({
    # Calls
    "vault_calls_total": Family(
        "counter",
        "Calls that ended, by status code and, if refused, ErrorInfo's reason; CANCELLED: the caller left.",
        ("method", "role", "code", "reason"),
    ),
    "vault_call_seconds": Family("histogram", "From the request in Python's hands to its answer.", ("method",)),
    "vault_calls_in_flight": Family("gauge", "Calls that have begun and not ended, those that wait included."),
    "vault_calls_waiting": Family("gauge", "Calls that wait because their caller has as many at work as its limit."),
    "vault_records_total": Family(
        "counter", "What calls were charged against their caller's limit: one each, a batch its items.", ("role",)
    ),
    "vault_calls_limited_total": Family(
        "counter", "Calls refused because their caller's limit was reached.", ("role", "limit")
    ),
    # Commits and the log
    "vault_commit_seconds": Family("histogram", "Group commits, their fsync included; each audit entry is in one."),
    "vault_commit_calls": Family("histogram", "Calls that shared a group commit."),
    "vault_commit_failures_total": Family("counter", "Group commits that failed: a full disk, a lock."),
    "vault_writer_queue": Family("gauge", "Jobs that wait for the store's writer or are in its hands."),
    "vault_log_entries": Family("gauge", "Durable entries of this process's log."),
    "vault_log_unsigned_entries": Family("gauge", "Durable entries that no checkpoint covers yet."),
    "vault_log_lag_seconds": Family(
        "gauge", "Since a stored checkpoint last covered all durable entries; about a second at most when all is well."
    ),
    # The witness, if there is one
    "vault_witness_unseen_entries": Family("gauge", "Durable entries that the witness has no checkpoint of yet."),
    "vault_witness_failing": Family("gauge", "1 while the witness does not take checkpoints."),
    "vault_witness_last_success_timestamp_seconds": Family(
        "gauge", "When the witness took a checkpoint last; 0 if not since the start."
    ),
    "vault_witness_failures_total": Family("counter", "Checkpoints that the witness did not take."),
    # Keys
    "vault_epoch_age_seconds": Family("gauge", "Age of the epoch that is sealed under.", ("audience",)),
    "vault_epoch_due_seconds": Family(
        "gauge", "Until the epoch ends by age; negative: nothing was sealed since.", ("audience",)
    ),
    "vault_epoch_step": Family("gauge", "Step of the epoch that is sealed under, 0 to 1023.", ("audience",)),
    "vault_epochs_published": Family("gauge", "Epochs ever published, by the vault and by callers."),
    "vault_vault_key_created_timestamp_seconds": Family("gauge", "When the vault key in use was made.", ("version",)),
    "vault_vault_key_due_timestamp_seconds": Family("gauge", "When its cryptoperiod ends.", ("version",)),
    "vault_purpose_key_created_timestamp_seconds": Family(
        "gauge", "When the key in use of a purpose was made or registered.", ("purpose", "custody", "version")
    ),
    "vault_purpose_key_due_timestamp_seconds": Family(
        "gauge", "When its cryptoperiod ends.", ("purpose", "custody", "version")
    ),
    "vault_certificate_expiry_timestamp_seconds": Family(
        "gauge", "Last valid moment: `server` is the server's own, `client_ca` the earliest of the authorities'.",
        ("certificate",),
    ),
    # Caches
    "vault_cache_entries": Family("gauge", "What a cache holds.", ("cache",)),
    "vault_cache_capacity": Family("gauge", "What it may hold.", ("cache",)),
    "vault_cache_hits_total": Family("counter", "Look-ups that it could answer.", ("cache",)),
    "vault_cache_misses_total": Family("counter", "Look-ups that it could not.", ("cache",)),
    # Stores
    "vault_store_bytes": Family("gauge", "Size of a store's file and of its write-ahead log.", ("store", "part")),
    "vault_disk_free_bytes": Family("gauge", "Room left on the disk of a store.", ("store",)),
    "vault_keys_owed": Family("gauge", "Keys that the key store's next commit retires or destroys."),
    "vault_keys_retired": Family("gauge", "Retired keys that wait for the purge; counted up to 100,000."),
    "vault_keys_retired_oldest_age_seconds": Family("gauge", "How long the oldest of them has waited."),
    "vault_upkeep_last_success_timestamp_seconds": Family(
        "gauge", "When the hourly upkeep last went through; 0 before the first round has ended."
    ),
    "vault_upkeep_failures_total": Family("counter", "Rounds of upkeep that failed."),
    # Files that take effect when they change: policy, certificates, deny_list
    "vault_reloads_total": Family("counter", "States of a file that were taken over.", ("file",)),
    "vault_reload_failures_total": Family("counter", "States of a file that were refused.", ("file",)),
    "vault_reload_last_good_timestamp_seconds": Family("gauge", "When a file was last read and accepted.", ("file",)),
    "vault_reload_refused": Family("gauge", "1 while a file, as it is now, is refused: an older one holds", ("file",)),
    "vault_policy_info": Family("gauge", "1; the label is the SHA-256 of the policy in force.", ("digest",)),
    # The whole
    "vault_serving": Family("gauge", "1 if calls can be served, 0 if degraded; /readyz says why."),
    "vault_degraded": Family("gauge", "1 for each reason why calls cannot be served now.", ("reason",)),
    "vault_build_info": Family("gauge", "1; what runs.", ("version", "sqlite", "python", "grpc")),
})  # fmt: skip
