"""The options of protovalidate: generated from proto/buf/validate, never edited."""
