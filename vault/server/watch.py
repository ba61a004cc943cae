"""What the admin port shows, put together from everything that has figures."""

import asyncio
import contextlib
import platform
from collections.abc import Iterator, Sequence
from typing import Final

import grpc

from vault import __version__
from vault.errors import VaultError
from vault.pki import identity
from vault.server.admin import Admin, Answer, Pages, document
from vault.server.certificates import ServerCertificates
from vault.server.condition import Condition
from vault.server.limits import Limiter
from vault.server.metrics.page import CONTENT_TYPE, Page
from vault.server.port import Vault
from vault.server.reload import Watched
from vault.service.gauges import Sample
from vault.service.troubles import Trouble
from vault.storage.engine import LIBRARY

_OK: Final = 200
_NOT_NOW: Final = 503


class Watch:
    """Pages about one server."""

    def __init__(
        self,
        vault: Vault,
        limiter: Limiter,
        condition: Condition,
        certificates: ServerCertificates,
        watched: Sequence[Watched],
    ) -> None:
        self._vault = vault
        self._limiter = limiter
        self._condition = condition
        self._certificates = certificates
        self._watched = watched
        self._page = Page()
        self._scraping = asyncio.Lock()
        self.pages: Pages = {"/metrics": self.metrics, "/healthz": self.alive, "/readyz": self.ready}
        self.admin = Admin(self.pages)

    async def metrics(self) -> Answer:
        """All figures; those of the vault are missing while its stores cannot be read, the others say so."""
        async with self._scraping:
            samples = [*self._own()]
            with contextlib.suppress(VaultError):
                samples += await self._vault.gauges()
            return Answer(_OK, await self._page.text(samples), CONTENT_TYPE)

    async def alive(self) -> Answer:
        """The process is alive, and its loop turns."""
        return Answer(_OK, b"ok\n")

    async def ready(self) -> Answer:
        """Whether calls can be served."""
        status = _NOT_NOW if self._condition.reasons else _OK
        return document(status, self._condition.document(self.remarks()))

    def remarks(self) -> Iterator[Trouble]:
        """What asks for somebody, while calls are served."""
        for each in self._watched:
            if each.refused:
                yield Trouble(f"{each.name}_refused", f"an older state is in force: {each.refused}")

    def _own(self) -> Iterator[Sample]:
        yield from self._limiter.counts.samples()
        yield Sample("vault_calls_waiting", self._limiter.waiting)
        yield from self._condition.samples()
        for name, expiry in self._certificates.expiries.items():
            yield Sample("vault_certificate_expiry_timestamp_seconds", expiry, (name,))
        for each in self._watched:
            yield Sample("vault_reloads_total", each.accepted, (each.name,))
            yield Sample("vault_reload_failures_total", each.failures, (each.name,))
            yield Sample("vault_reload_last_good_timestamp_seconds", each.accepted_at, (each.name,))
            yield Sample("vault_reload_refused", int(bool(each.refused)), (each.name,))
        yield Sample("vault_policy_info", 1, (self._vault.policy.digest.hex(),))
        certificates = identity.read.cache_info()
        yield Sample("vault_cache_entries", certificates.currsize, ("certificates",))
        yield Sample("vault_cache_capacity", certificates.maxsize or 0, ("certificates",))
        yield Sample("vault_cache_hits_total", certificates.hits, ("certificates",))
        yield Sample("vault_cache_misses_total", certificates.misses, ("certificates",))
        yield Sample("vault_build_info", 1, (__version__, LIBRARY, platform.python_version(), grpc.__version__))
