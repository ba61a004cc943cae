"""What a writer in the database can do: each function changes some rows, by a seeded generator, and says what it did.

He knows the formats, has every public key and every row that ever was, and lacks the vault key. He has no keys of
purposes either, so he forges what HPKE base mode lets anybody forge.
"""

import random
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV

from tests.abuse.sealer import SealedSide
from tests.abuse.tables import KEYS, LOOKUPS, RECORDS, SLOTS, SYSTEM, Row, Tables
from vault.crypto.record_lock import Header
from vault.domain import statements
from vault.store.v1.record_pb2 import CustomerFacts, StoredRecord
from vault.v1.consent_pb2 import CONSENT_STATE_GIVEN, ConsentEvent
from vault.v1.records_pb2 import Card, Contact

_FAR = 1 << 30
_PLACE = ("owner", "record_name")
_BODY = ("key_id", "version", "written_at", "expires_at", "stored")
_TIMES = (0, 1, 1_700_000_000_000, 1_790_000_000_000, 4_000_000_000_000, (1 << 63) - 1)


class Writer:
    """The tamperer's hands."""

    def __init__(self, rng: random.Random, tables: Tables, history: Sequence[Tables], side: SealedSide) -> None:
        self.rng = rng
        self.tables = tables
        self.history = history
        """Copies that were taken earlier."""
        self.side = side
        """For what can be forged with public keys alone."""

    def mutate(self, actions: Sequence[Callable[["Writer"], None]] = ()) -> str:
        """Do something; say what."""
        action = self.rng.choice(actions or ACTIONS)
        action(self)
        return action.__name__

    def pick(self, table: str) -> Row:
        """Any row."""
        return self.rng.choice(self.tables.rows[table])

    def two(self, table: str) -> tuple[Row, Row]:
        """Two rows; half of the time alike, so that they have a chance to pass for each other."""
        one = self.pick(table)
        like = [row for row in self.tables.rows[table] if row is not one and _kind(row) == _kind(one)]
        if like and self.rng.random() < 0.5:
            return one, self.rng.choice(like)
        return one, self.rng.choice([row for row in self.tables.rows[table] if row is not one])

    def spoil(self, raw: bytes) -> bytes:
        """Other bytes: a bit or some flipped, cut, longer, zeroed, empty, or another format byte."""
        at = self.rng.randrange(len(raw))
        return self.rng.choice(
            [
                raw[:at] + bytes([raw[at] ^ 1 << self.rng.randrange(8)]) + raw[at + 1 :],
                raw[:at] + self.rng.randbytes(min(8, len(raw) - at)) + raw[at + 8 :],
                raw[:at],
                raw + self.rng.randbytes(self.rng.randint(1, 32)),
                raw[:at] + bytes(len(raw) - at),
                bytes([raw[0] ^ self.rng.randint(1, 255)]) + raw[1:],
                b"",
            ]
        )


def _kind(row: Row) -> str:
    return str(row.get("kind", "")) + str(row.get("record_name", row.get("row", ""))).split("/")[-1][:4]


def _swap(one: Row, other: Row, columns: Sequence[str]) -> None:
    for column in columns:
        one[column], other[column] = other[column], one[column]


def swap_stored_bytes(w: Writer) -> None:
    """Two rows exchange what is locked in them."""
    _swap(*w.two(RECORDS), ["stored"])


def swap_key_ids(w: Writer) -> None:
    """Two rows exchange the keys that they name."""
    _swap(*w.two(RECORDS), ["key_id"])


def swap_rows(w: Writer) -> None:
    """Two rows exchange everything but their names."""
    _swap(*w.two(RECORDS), _BODY)


def swap_rows_with_keys(w: Writer) -> None:
    """Two records exchange names and owners, and their keys go with them."""
    one, other = w.two(RECORDS)
    keys = [w.tables.key(one), w.tables.key(other)]
    _swap(one, other, _PLACE)
    if keys[0] and keys[1]:
        _swap(keys[0], keys[1], _PLACE)


def copy_row_over_another(w: Writer) -> None:
    """A row takes the place of another, key id and all; or its key is copied there, too."""
    one, other = w.two(RECORDS)
    other.update({column: one[column] for column in _BODY})
    key = w.tables.key(one)
    if key and w.rng.random() < 0.5:
        w.tables.rows[KEYS].append({**key, "owner": other["owner"], "record_name": other["record_name"]})


def change_a_column(w: Writer) -> None:
    """One plain column of a row says something else."""
    row = w.pick(RECORDS)
    other = w.pick(RECORDS)
    column = w.rng.choice([*_PLACE, "key_id", "version", "written_at", "expires_at", "expires_at"])
    row[column] = {
        "owner": other["owner"],
        "record_name": w.rng.choice([other["record_name"], row["owner"] + "/cards/other", row["owner"] + "/contact"]),
        "key_id": w.rng.choice([other["key_id"], w.rng.randbytes(16), w.spoil(row["key_id"])]),
        "version": w.rng.choice([0, 2, 3, row["version"] + 1, 1 << 40]),
        "written_at": w.rng.choice([*_TIMES, row["written_at"] + 1]),
        "expires_at": w.rng.choice(_TIMES),
    }[column]


def spoil_stored_bytes(w: Writer) -> None:
    """Bits flip, tails go."""
    row = w.pick(RECORDS)
    row["stored"] = w.spoil(row["stored"])


def drop_a_row(w: Writer) -> None:
    """A row goes, sometimes with its key."""
    row = w.pick(RECORDS)
    key = w.tables.key(row)
    w.tables.rows[RECORDS].remove(row)
    if key and w.rng.random() < 0.5:
        w.tables.rows[KEYS].remove(key)


def duplicate_a_row(w: Writer) -> None:
    """A record appears a second time: as another card, as another's, or as one that was never there."""
    row = w.pick(RECORDS)
    owner = w.rng.choice([row["owner"], w.pick(RECORDS)["owner"], "customers/ghost"])
    name = w.rng.choice([f"{owner}/contact", f"{owner}/cards/copy", f"{owner}/cards/one", owner])
    w.tables.rows[RECORDS].append({**row, "owner": owner, "record_name": name})
    key = w.tables.key(row)
    if key and w.rng.random() < 0.7:
        w.tables.rows[KEYS].append({**key, "owner": owner, "record_name": name})


def put_back_an_old_row(w: Writer) -> None:
    """A row as it was, without the key that it had; the retired one may be called live again."""
    old = w.rng.choice(w.history)
    row = dict(w.rng.choice(old.rows[RECORDS]))
    _replace(w.tables.rows[RECORDS], row, _PLACE)
    if w.rng.random() < 0.5:
        for key in w.tables.rows[KEYS]:
            if key["key_id"] == row["key_id"]:
                key["retired_at"] = 0


def spoil_a_wrapped_key(w: Writer) -> None:
    """Bits of a wrapped key flip, its tail goes, or it is another's."""
    slot, other = w.two(SLOTS)
    slot["wrapped"] = w.rng.choice([w.spoil(slot["wrapped"]), w.spoil(slot["wrapped"]), other["wrapped"]])


def change_a_column_of_a_key(w: Writer) -> None:
    """A key says that it is another's, of another version, retired or live, or lies elsewhere."""
    key, other = w.two(KEYS)
    column = w.rng.choice(["slot", "n", "key_id", "owner", "record_name", "retired_at", "created_at"])
    key[column] = {
        "slot": w.rng.choice([other["slot"], 0, 1 << 40]),
        "n": w.rng.choice([0, 2, 7, -1]),
        "key_id": w.rng.choice([other["key_id"], w.rng.randbytes(16)]),
        "owner": other["owner"],
        "record_name": other["record_name"],
        "retired_at": 0 if key["retired_at"] else w.rng.choice(_TIMES[1:]),
        "created_at": w.rng.choice(_TIMES),
    }[column]


def swap_keys(w: Writer) -> None:
    """Two keys exchange what is wrapped in them, or the ids that they are found by."""
    _swap(*w.two(KEYS), w.rng.choice([["slot"], ["key_id"], ["owner", "record_name"], ["slot", "n"]]))


def drop_a_key(w: Writer) -> None:
    """A key goes, or what lies in its slot."""
    table = w.rng.choice([KEYS, SLOTS])
    w.tables.rows[table].remove(w.pick(table))


def forge_a_record(w: Writer) -> None:
    """A whole record of the forger's own, under an R of its own; only the wrapping must be guessed or borrowed."""
    row = w.pick(RECORDS)
    name, record_key = row["record_name"], w.rng.randbytes(32)
    header = Header(name, w.rng.randbytes(16), row["version"], row["written_at"], 0)  # type: ignore[arg-type]
    body = _forged_body(w, name).SerializeToString()
    sealed = AESGCM(record_key).encrypt(bytes(12), body, header.aad(w.side.vault_id))
    row.update(key_id=header.key_id, expires_at=0, stored=b"\x01" + sealed)
    borrowed = w.pick(SLOTS)["wrapped"]
    wrapped = w.rng.choice([b"\x01" + w.rng.randbytes(60), borrowed, b"\x01" + bytes(12) + record_key + bytes(16)])
    key = {"owner": row["owner"], "record_name": name, "key_id": header.key_id, "n": 1, "created_at": 0}
    w.tables.rows[SLOTS].append({"slot": _FAR, "wrapped": wrapped})
    w.tables.rows[KEYS].append({**key, "retired_at": 0, "slot": _FAR})


def _forged_body(w: Writer, name: str) -> StoredRecord:
    if name.count("/") == 1:
        facts = CustomerFacts(subject=w.rng.randbytes(16), create_time=1)
        statements.add_consent(facts, "partner_offers", ConsentEvent(state=CONSENT_STATE_GIVEN), "forged")
        return StoredRecord(unprotected=facts.SerializeToString())
    if name.endswith("/contact"):
        return StoredRecord(envelopes=[w.side.seal(name, {"name": "Mallory"}, Contact)])
    return StoredRecord(envelopes=[w.side.seal(name, {"card_number": "4000000000000002"}, Card)])


def move_a_lookup(w: Writer) -> None:
    """A search token finds another record, another version, under another field, or twice."""
    one, other = w.two(LOOKUPS)
    match w.rng.randrange(4):
        case 0:
            _swap(one, other, ["token"])
        case 1:
            w.tables.rows[LOOKUPS].append({**one, **{c: other[c] for c in ("owner", "record_name", "key_id")}})
        case 2:
            one["token"] = w.rng.choice([other["token"], w.spoil(one["token"])])
        case _:
            w.tables.rows[LOOKUPS].remove(one)


def swap_system_rows(w: Writer) -> None:
    """Two epochs, stanzas or keys exchange what is sealed in them, or their names."""
    _swap(*w.two(SYSTEM), w.rng.choice([["sealed"], ["row"], ["kind", "row", "version"], ["sealed", "n"]]))


def spoil_a_system_row(w: Writer) -> None:
    """Bits of a sealed row flip, or one of its columns."""
    row, other = w.two(SYSTEM)
    column = w.rng.choice(["sealed", "sealed", "n", "version", "row", "destroyed"])
    row[column] = {
        "sealed": w.rng.choice([w.spoil(row["sealed"]), other["sealed"]]),
        "n": w.rng.choice([0, 2, 9]),
        "version": row["version"] + w.rng.randint(1, 3),
        "row": other["row"] + w.rng.choice(["", "0"]),
        "destroyed": 1,
    }[column]


def drop_a_system_row(w: Writer) -> None:
    """An epoch, a stanza or a key goes, or stands there again as a newer version."""
    row = w.pick(SYSTEM)
    if w.rng.random() < 0.5:
        w.tables.rows[SYSTEM].remove(row)
    else:
        w.tables.rows[SYSTEM].append({**row, "version": row["version"] + 1})


def forge_a_system_row(w: Writer) -> None:
    """An epoch or a stanza of the forger's own, sealed under a key that it made up, beside the real one or over it."""
    row = w.pick(SYSTEM)
    nonce = w.rng.randbytes(12)
    plaintext = w.side.stanzas()[0].SerializeToString()
    sealed = b"\x01" + nonce + AESGCMSIV(w.rng.randbytes(32)).encrypt(nonce, plaintext, b"")
    if w.rng.random() < 0.5:
        row["sealed"] = sealed
    else:
        w.tables.rows[SYSTEM].append({**row, "version": row["version"] + 1, "sealed": sealed})


def _replace(rows: list[Row], new: Row, key: Sequence[str]) -> None:
    rows[:] = [row for row in rows if any(row[c] != new[c] for c in key)] + [new]


ACTIONS: tuple[Callable[[Writer], None], ...] = (
    swap_stored_bytes,
    swap_key_ids,
    swap_rows,
    swap_rows_with_keys,
    copy_row_over_another,
    change_a_column,
    change_a_column,
    spoil_stored_bytes,
    spoil_stored_bytes,
    drop_a_row,
    duplicate_a_row,
    put_back_an_old_row,
    spoil_a_wrapped_key,
    spoil_a_wrapped_key,
    change_a_column_of_a_key,
    swap_keys,
    drop_a_key,
    forge_a_record,
    move_a_lookup,
    swap_system_rows,
    spoil_a_system_row,
    drop_a_system_row,
    forge_a_system_row,
)
SYSTEM_ACTIONS = (swap_system_rows, spoil_a_system_row, drop_a_system_row, forge_a_system_row)
