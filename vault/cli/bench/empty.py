"""A process: a gRPC server whose methods do nothing, with the vault's TLS, limits and event loop.

What it costs is the floor under every method of a server in Python. The last part of the method's name is the size of
the answer in bytes, so that each case is compared with an answer as large as its own. For mail there are two streams
of bytes, one that is taken and one that is given, in messages as large as a sealed chunk. A second port on the loopback
has no TLS: the difference is what TLS costs.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path

import grpc
import uvloop

from vault.cli.bench.child import say
from vault.cli.deployment.layout import Layout
from vault.server.edge import OPTIONS

SERVICE = "bench.Empty"
STREAMS = "bench.Stream"
TAKE = f"/{STREAMS}/take"
CHUNK = bytes(65_552)
"""As large as a sealed chunk."""


def give(chunks: int, last: int) -> str:
    """The method that gives so many chunks, the last of so many bytes."""
    return f"/{STREAMS}/{chunks}-{last}"


class _Methods(grpc.GenericRpcHandler):
    """Finds the method for a size; there is one for each that was asked for."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """See gRPC."""
        service, _, size = handler_call_details.method.lstrip("/").partition("/")
        if service == STREAMS:
            return _taking() if size == "take" else _giving(*map(int, size.split("-")))
        return _method(int(size)) if service == SERVICE and size.isdigit() else None


@lru_cache
def _method(size: int) -> "grpc.RpcMethodHandler[bytes, bytes]":
    answer = bytes(size)

    async def serve(_request: bytes, _context: object) -> bytes:
        return answer

    return grpc.unary_unary_rpc_method_handler(serve)


@lru_cache
def _taking() -> "grpc.RpcMethodHandler[bytes, bytes]":
    async def serve(requests: AsyncIterator[bytes], _context: object) -> bytes:
        async for _ in requests:
            pass
        return b""

    return grpc.stream_unary_rpc_method_handler(serve)


@lru_cache
def _giving(chunks: int, last: int) -> "grpc.RpcMethodHandler[bytes, bytes]":
    async def serve(_request: bytes, _context: object) -> AsyncIterator[bytes]:
        for _ in range(chunks - 1):
            yield CHUNK
        yield CHUNK[:last]

    return grpc.unary_stream_rpc_method_handler(serve)


async def _serve(at: Layout) -> None:
    credentials = grpc.ssl_server_credentials(
        [((at.server / "key.pem").read_bytes(), (at.server / "cert.pem").read_bytes())],
        (at.authority / "ca.pem").read_bytes(),
        require_client_auth=True,
    )
    options = (*OPTIONS, ("grpc.max_concurrent_streams", 1000))
    server = grpc.aio.server(options=options, compression=grpc.Compression.NoCompression)
    server.add_generic_rpc_handlers([_Methods()])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    plain = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    say({"ready": {"empty": f"127.0.0.1:{port}", "plain": f"127.0.0.1:{plain}"}})
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Layout(Path(sys.argv[1]))))
