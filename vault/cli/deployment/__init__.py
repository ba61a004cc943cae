"""What `init` makes: a folder with all that a first vault and its callers need.

layout        where things stand in it, and what it is made for
documents     the texts: vault.toml, client.toml, pins.json, the end of policy.toml
certificates  a development authority, the server's certificate, one for each caller
keys          purpose keys of callers, both stores, root key and keyring
create        all of that, or nothing
"""
