"""Show a contact."""
