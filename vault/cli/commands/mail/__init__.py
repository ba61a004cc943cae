"""See which messages wait, and get every one out again."""
