"""The gRPC edge: TLS, who is calling, deadlines, and errors to status codes.

`app` starts and stops the server; `handlers` is the path of a call; `boundary` is what no exception passes; `status`
is the one table from errors to codes. `identity`, `certificates` and `reload` are about certificates, `logs` and
`hardening` about what must not leave the process. Nothing here decides who may read what: that is the policy's.
"""
