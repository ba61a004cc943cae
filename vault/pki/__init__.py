"""Certificates: who is calling, and until when that is believed.

`spiffe` says what a caller's name may look like, `identity` takes it from the certificate of a
live connection, `deny` reads the list of serials that lost our trust, `expiry` counts days for
`doctor`, and `authority` is a certificate authority for development. Judgement is pure; the one
module that touches a disk is `files`. Nothing here imports grpc: the edge passes in what TLS said.
"""
