"""Where rows live: one narrow async port, and its drivers. It knows names, key ids and bytes; it opens nothing."""
