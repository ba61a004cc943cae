"""One file for each case; its name is the case's name, and it has a `CASE`."""
