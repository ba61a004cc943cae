"""Objection: purposes that customers do not want."""
