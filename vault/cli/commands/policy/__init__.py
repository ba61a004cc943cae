"""Read the policy: who may do what, and which clause says so."""
