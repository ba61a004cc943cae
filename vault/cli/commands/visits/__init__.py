"""Count the visits of a web site, and show the counts."""
