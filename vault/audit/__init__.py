"""The append-only log: who did what for which purpose, in a form that shows every later change.

    entry    builds and reads the entries: one for each call, without any value
    log      one log of this process: its tree, its lease, its signed checkpoints
    verify   checks a whole log offline; of the vault it needs only crypto, errors and the entry's message

An entry is a leaf of a Merkle tree (RFC 9162); a signed checkpoint (C2SP) states the tree's size and root. Nothing here
knows a database: the log's bytes come through a port of four methods.
"""
