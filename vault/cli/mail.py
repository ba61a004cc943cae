"""The mail gateway as a process: signals, the log, the admin port; the gateway itself knows none of these."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import structlog

from vault.client.mail import MailClient
from vault.gateway import settings as files
from vault.gateway.metrics import CONTENT_TYPE, Metrics
from vault.gateway.process import Gateway
from vault.gateway.settings import Settings
from vault.gateway.vault_store import VaultStore
from vault.server import logs
from vault.server.admin import Admin, Answer, Pages, document

log = structlog.get_logger()

Ready = Callable[[list[str], str], None]
"""Told where mail is taken, and where figures are (empty for nowhere)."""


def run(config: Path, ready: Ready) -> None:
    """Run until SIGTERM or SIGINT, and end in order.

    Raises:
        ConfigError: a file is wrong, or an address cannot be had.
    """
    settings = files.load(config)
    logs.configure("info")
    asyncio.run(_run(settings, config.parent, ready))


async def _run(settings: Settings, folder: Path, ready: Ready) -> None:
    loop = asyncio.get_running_loop()
    logs.catch_all(loop)
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    caller = folder / settings.vault.caller
    async with MailClient.open(caller) as front, MailClient.open(caller) as relay:
        store = VaultStore(front, relay, lease=settings.relay.lease_seconds, store_seconds=settings.front.data_seconds)
        gateway = Gateway(settings, folder, store)
        admin = Admin(_pages(Metrics(store, gateway.counts)))
        told = await admin.start(settings.metrics.listen) if settings.metrics else ""
        try:
            ready(await gateway.start(), told)
            await stop.wait()
            log.info("stopping")
            await gateway.stop()
            log.info("stopped")
        finally:
            await admin.stop()


def _pages(metrics: Metrics) -> Pages:
    async def figures() -> Answer:
        return Answer(200, await metrics.page(), CONTENT_TYPE)

    async def alive() -> Answer:
        return document(200, {"alive": True})

    async def ready() -> Answer:
        serves = await metrics.ready()
        return document(200 if serves else 503, {"ready": serves})

    return {"/metrics": figures, "/healthz": alive, "/readyz": ready}
