"""JSON Schemas of the documents that leave the vault for people outside: they are part of the package, and published.

erasure-receipt-1.json   the statement of an erasure's receipt
export-1.json            everything that the vault holds of one customer

A document names its format and its number in `format`; a change that a reader would notice is a new number.
"""
