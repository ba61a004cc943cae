"""The API: generated from proto/vault/v1 by scripts/genproto, never edited."""
