"""Cryptoperiods: how long a key should be in use before another takes its place.

NIST SP 800-57 part 1, 5.3.6, allows a year or two for keys like those of purposes. The vault key gets a month,
since its destruction would reach what is erased in old key-store backups. A period that is over stops nothing.
"""

from typing import Final

VAULT_KEY_DAYS: Final = 30
PURPOSE_KEY_DAYS: Final = 365
