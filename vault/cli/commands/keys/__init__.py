"""Look at key versions, states and ages; never at a key."""
