"""Look at a customer's account and at its log."""
