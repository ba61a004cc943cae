"""The messages that are stored: generated from proto/vault/store by scripts/genproto."""
