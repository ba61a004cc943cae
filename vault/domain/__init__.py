"""Values of the domain, valid by construction: names, audiences, card and contact rules. No I/O, no keys."""
