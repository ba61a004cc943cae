"""A thief with stolen files, who knows the design: everything is read with SQL and opened as the design's text says.

Nothing of the service, the keyring or the storage is used. What the thief holds decides what opens: the root key
unwraps the vault key, which unwraps record keys and seeds; a purpose's private key opens stanzas; and so on, step by
step, so that each line of the design's table of thieves is what comes out and not what was assumed.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vault.crypto import lookup, root_key
from vault.crypto.envelope import Step, check_record, open_boxes
from vault.crypto.epoch import EpochId, open_stanza, step_key
from vault.crypto.hpke import PurposeKeyPair
from vault.crypto.record_lock import Header, KeyId, unlock
from vault.crypto.vault_key import RowName, VaultKey, wrap_context
from vault.domain.fields import protected_fields
from vault.domain.secret import Secret
from vault.errors import InvalidArgument, OpenError
from vault.storage.engine import sqlite3
from vault.store.v1.record_pb2 import StoredRecord
from vault.store.v1.system_pb2 import Epoch, EpochStanza
from vault.v1.envelope_pb2 import Envelope
from vault.v1.records_pb2 import Card, Contact

Values = dict[str, str]


def select(path: Path, sql: str, *values: object) -> list[Any]:
    """Read a stolen file, and what its WAL holds besides."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True)) as connection:
        found: list[Any] = connection.execute(sql, values).fetchall()
        return found


@dataclass(slots=True)
class Thief:
    """What somebody got hold of."""

    data: Path
    keys: Path | None = None
    root: Path | None = None
    pairs: dict[str, PurposeKeyPair] = field(default_factory=dict)
    """Private keys by purpose: those stolen from callers, then those found in the key store."""
    vault_id: bytes = b""
    vault_keys: dict[int, VaultKey] = field(default_factory=dict)
    lookup_key: Secret | None = None
    tries: int = 0

    def __post_init__(self) -> None:
        """Open what opens."""
        ((self.vault_id,),) = select(self.data, "SELECT vault_id FROM meta")
        if self.keys and self.root:
            self._unwrap_vault_keys(self.keys, json.loads(self.root.read_text())["versions"])
        for purpose, seed in self._system("purpose-seed"):
            self.pairs[purpose] = PurposeKeyPair(Secret(seed))
        for _, key in self._system("lookup-key"):
            self.lookup_key = Secret(key)

    def _unwrap_vault_keys(self, keys: Path, versions: dict[str, dict[str, str]]) -> None:
        for n, wrapped in select(keys, "SELECT n, wrapped FROM vault_keys"):
            if str(n) in versions:
                root = Secret(bytes.fromhex(versions[str(n)]["key"]))
                vault_key = root_key.unwrap(root, wrapped, wrap_context(self.vault_id, n))
                self.vault_keys[n] = VaultKey(self.vault_id, n, Secret(vault_key))

    def _system(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """(name, plaintext) of sealed rows that open."""
        sql = "SELECT row, version, n, sealed FROM system_rows WHERE kind = ? AND NOT destroyed ORDER BY row, version"
        for row, version, n, sealed in select(self.keys, sql, kind) if self.keys else ():
            if n in self.vault_keys:
                yield row, self.vault_keys[n].open_row(RowName(kind, row, version), sealed)

    def bodies(self) -> Iterator[tuple[str, StoredRecord]]:
        """Records whose lock opens: with a live key, or with a retired one, which a thief need not respect."""
        sql = "SELECT key_id, n, wrapped, retired_at FROM key_places JOIN slots USING (slot)"
        wrapped = {row[0]: row[1:] for row in select(self.keys, sql)} if self.keys else {}
        rows = "SELECT record_name, key_id, version, written_at, expires_at, stored FROM records"
        for name, key_id, version, written_at, expires_at, stored in select(self.data, rows):
            n, key, retired = wrapped.get(key_id, (0, b"", 0))
            if n not in self.vault_keys:
                continue
            try:
                record_key = self.vault_keys[n].wrapping.unwrap(key, key_id, name, retired=bool(retired))
                header = Header(name, KeyId(key_id), version, written_at, expires_at)
                yield name, StoredRecord.FromString(unlock(record_key, self.vault_id, header, stored))
            except OpenError:
                continue

    def loot(self) -> dict[str, Values]:
        """Every field that opens, by record name."""
        epochs = {row: Epoch.FromString(plain) for row, plain in self._system("system") if row.startswith("epochs/")}
        stanzas = {r: EpochStanza.FromString(p) for r, p in self._system("system") if r.startswith("stanzas/")}
        secrets: dict[bytes, tuple[str, Secret | None]] = {}
        found: dict[str, Values] = {}
        for name, record in self.bodies():
            check_record(record.envelopes)
            for envelope in record.envelopes:
                if envelope.epoch_id not in secrets:
                    epoch = epochs[f"epochs/{envelope.epoch_id.hex()}"]
                    theirs = [s for row, s in stanzas.items() if row.split("/")[1] == envelope.epoch_id.hex()]
                    secrets[envelope.epoch_id] = epoch.audience, self._secret(envelope.epoch_id, epoch.audience, theirs)
                audience, secret = secrets[envelope.epoch_id]
                if secret is not None:
                    found.setdefault(name, {}).update(self._open(name, envelope, audience, secret))
        return found

    def _secret(self, epoch_id: bytes, audience: str, stanzas: Iterable[EpochStanza]) -> Secret | None:
        """E, by any key on any stanza, as any purpose."""
        for stanza in stanzas:
            for purpose in {stanza.purpose, *self.pairs}:
                for pair in self.pairs.values():
                    self.tries += 1
                    try:
                        return open_stanza(stanza.stanza, self.vault_id, audience, EpochId(epoch_id), purpose, pair)
                    except (OpenError, InvalidArgument):
                        continue
        return None

    def _open(self, name: str, envelope: Envelope, audience: str, secret: Secret) -> Values:
        kind = Contact if name.endswith("/contact") else Card
        by_number = {f.number: f for f in protected_fields(kind).values()}
        step = Step(audience, EpochId(envelope.epoch_id), envelope.step, step_key(secret, envelope.step))
        opened = open_boxes(self.vault_id, step, name, envelope, by_number)
        return {found.name: plaintext.decode() for found, plaintext in opened}

    def tokens(self) -> list[tuple[str, str, int, bytes]]:
        """(owner, field, n, token) of the search index."""
        return select(self.keys, "SELECT owner, field, n, token FROM lookups") if self.keys else []

    def guess(self, field_name: str, candidates: Iterable[str], keys: Iterable[bytes] = ()) -> dict[str, set[str]]:
        """Who has one of these values, found by its token: with the real keys, or with keys that are guessed."""
        found: dict[str, set[str]] = {}
        stored: dict[bytes, set[str]] = {}
        for owner, of, _, token in self.tokens():
            if of == field_name:
                stored.setdefault(token, set()).add(owner)
        pairs = [(self.lookup_key, k.mask) for k in self.vault_keys.values() if self.lookup_key]
        guessed = [(Secret(a), lookup.Mask(b)) for a in keys for b in keys]
        for value in candidates:
            for key, mask in [*pairs, *guessed]:
                self.tries += 1
                plain = lookup.token(key, self.vault_id, field_name, value)
                for form in (plain, mask.apply(plain)):
                    if form in stored:
                        found.setdefault(value, set()).update(stored[form])
        return found


def steal_seed(home: Path, caller: str, purpose: str) -> PurposeKeyPair:
    """The private key that lies on a caller's host."""
    text = (home / "callers" / caller / f"{purpose}.key").read_text()
    return PurposeKeyPair(Secret(bytes.fromhex(text)))
