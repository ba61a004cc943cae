"""Consent: what customers agreed to, and who reads what of them."""
