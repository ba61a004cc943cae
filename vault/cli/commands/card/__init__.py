"""List cards, and show one to billing."""
