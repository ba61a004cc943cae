"""Buf's validation rules, vendored: generated from proto/buf by scripts/genproto."""
