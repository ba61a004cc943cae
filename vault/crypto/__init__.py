"""Pure functions of bytes, format 1: no I/O, no clock, no configuration. This is the part that a cryptographer reads.

context        the one injective encoder of every info, aad and HMAC input
hpke           seal and open to a purpose's key pair (RFC 9180 base mode, X-Wing)
epoch          epoch secret, its commitment, its stanzas and its 1,024 steps
envelope       the purpose lock: one box per field
record_lock    the record lock: wrapped record keys and stored records
vault_key      the vault key, what is expanded from it, and rows sealed under it
root_key       the vault key under a key file or a passphrase
lookup         tokens for exact search
merkle, note   the log's tree (RFC 9162) and signed checkpoints (C2SP)
certificate    the dates of a caller's own certificate
"""
