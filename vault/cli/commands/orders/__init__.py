"""List the orders of the web shop, and follow them."""
