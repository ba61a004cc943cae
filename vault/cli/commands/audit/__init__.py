"""Read the log, and verify it without the server."""
