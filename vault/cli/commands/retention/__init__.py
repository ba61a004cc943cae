"""Destroy what has come to its end by the policy, now instead of within the hour."""
