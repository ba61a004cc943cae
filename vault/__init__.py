"""The customer data vault: a privacy policy that is enforced by keys.

The packages are layers; imports point down, and import-linter holds every line of this map.

- `cli`: the command `customer-vault`; groups, demo steps, bench cases and doctor checks are one file each.
- `gateway`: the front for mail servers (SMTP, LMTP) and the relay behind it; a caller of the vault like any other.
- `client`: the SDK of callers, async with a sync façade; it opens and seals on the caller's side, pins what it
  trusts and, of the vault, uses only `crypto`, `domain`, `errors` and `v1`.
- `server`: the gRPC edge: TLS, identity, one servicer per service, errors to status codes.
- `service`: the use cases: store and read records, create and erase customers, publish and reseal keys.
- `policy`: the privacy policy as data; one function decides, from values alone.
- `keyring`: the live keys: root key providers, vault key, purpose keys, epochs, record keys.
- `audit`: the append-only log: entries, Merkle tree, signed checkpoints; the verifier needs nothing above this.
- `storage`: one narrow async port and its drivers; no other package speaks SQL.
- `pki`: certificates: the development CA, the deny-list, expiry.
- `crypto`: pure functions of bytes: contexts, envelopes, the record lock, HPKE; no I/O, clock or configuration.
- `domain`: the words as values, valid by construction: names, fields, audiences, cards, secrets.
- `errors`: every error, split by who must act.
- `store`: generated from proto/vault/store: the messages that are stored.
- `v1`: generated from proto/vault/v1: the API.
- `buf`: generated from proto/buf: the options that carry the API's shape rules.
- `schemas`: JSON Schemas of the documents that leave the vault for people outside.
"""

__version__ = "0.1.0"
