"""Live keys: the root key provider, the vault key, purpose keys, epochs, the log's and the requests' keys.

root           the port to a root key, and the `file` provider
vault_keys     versions of the vault key; record keys and system rows are under them
system_rows    typed access to rows that are sealed under the vault key
purposes       purpose key pairs, their versions and states
sealing        the vault's own epochs, when it seals what it is given in plain
opening        epoch secrets and step keys, cached, when it opens for a purpose in vault custody
requests       day keys for request fingerprints
keyring        all of the above, opened together
"""
