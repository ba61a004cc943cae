"""The gRPC edge: TLS, who is calling, deadlines, and errors to status codes.

`app` starts and stops the server, `edge` is its port and limits; `handlers` is the path of a call; `boundary` is what
no exception passes; `status` is the one table from errors to codes. `identity`, `certificates` and `reload` are about
certificates, `logs` and `hardening` about what must not leave the process. Nothing here decides who may read what:
that is the policy's.
"""

import os

# gRPC's core reads this once, while grpc is imported, and would otherwise write a line in a format of its own for each
# stranger whose handshake fails. Hence here, before any module of this package imports grpc.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
