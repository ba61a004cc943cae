"""Version 1 of what is stored: generated from proto/vault/store/v1, never edited."""
