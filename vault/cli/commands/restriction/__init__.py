"""Restriction: data that is only stored, and read for legal claims (GDPR article 18)."""
