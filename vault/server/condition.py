"""Whether calls can be served: what load balancers, monitoring and people on duty are told, from one place.

Once a second the reasons are gathered: the vault's own (`vault.service.troubles`), an expired server certificate, a
stop under way. With one of them health says NOT_SERVING for every service; with none it says SERVING again, without
anybody's doing. Calls are not refused here: a balancer that does not listen gets what each call finds for itself.

What does not stop calls but asks for somebody is a remark: a file that was refused, so that an older state is in force.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from grpc_health.v1 import health, health_pb2  # type: ignore[import-untyped]

from vault.server.logs import exception, log
from vault.server.port import Vault
from vault.service.gauges import Sample
from vault.service.troubles import REASONS, Trouble

PERIOD_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 5.0
"""A disk that hangs answers nothing, not even an error: after this long that is an answer too."""

EXPIRED: Final = Trouble("certificate_expired", "the server's certificate has expired: put a new one in its place")
STOPPING: Final = Trouble("stopping", "the server is stopping")
_UNKNOWN: Final = Trouble("storage_failed", "the vault cannot be asked how it is: look at the server's log")
_SILENT: Final = Trouble("storage_failed", "a store does not answer: look at its disk, and at the server's log")


class Condition:
    """The newest finding, and the task that makes it."""

    def __init__(
        self,
        vault: Vault,
        service_health: health.aio.HealthServicer,
        services: Sequence[str],
        expiry: Callable[[], float],
    ) -> None:
        """`expiry` gives the last valid moment of the server's certificate, seconds since 1970."""
        self.reasons: Sequence[Trouble] = ()
        self.started = time.time()
        self._vault = vault
        self._health = service_health
        self._services = ("", *services)
        self._expiry = expiry
        self._stopping = False
        self._asked: asyncio.Future[Sequence[Trouble]] | None = None

    async def look(self) -> None:
        """Gather the reasons, and tell health if the answer has changed."""
        try:
            found = list(await self._ask())
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look must come, and this one is no good sign
            log.error("cannot see how the vault is", **exception(error))
            found = [_UNKNOWN]
        if time.time() > self._expiry():
            found.append(EXPIRED)
        if self._stopping:
            return
        was, self.reasons = self.reasons, found
        if bool(was) != bool(found):
            serving = health_pb2.HealthCheckResponse.ServingStatus
            for service in self._services:
                await self._health.set(service, serving.NOT_SERVING if found else serving.SERVING)
        if list(was) != found:
            self._tell()

    async def _ask(self) -> Sequence[Trouble]:
        """What the vault says; one question at a time, so that a disk that hangs does not collect threads."""
        asked = self._asked or asyncio.ensure_future(self._vault.troubles())
        done, _ = await asyncio.wait([asked], timeout=PATIENCE_SECONDS)
        self._asked = None if done else asked
        return asked.result() if done else [_SILENT]

    async def keep(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            await self.look()

    async def begin(self) -> None:
        """Say SERVING for every service, and look."""
        for service in self._services:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        await self.look()

    async def stop(self) -> None:
        """Say NOT_SERVING from now on."""
        self._stopping, self.reasons = True, (STOPPING,)
        await self._health.enter_graceful_shutdown()

    def samples(self) -> Iterator[Sample]:
        """The finding as figures."""
        yield Sample("vault_serving", 0 if self.reasons else 1)
        there = {trouble.reason for trouble in self.reasons}
        for reason in REASONS:
            yield Sample("vault_degraded", int(reason in there), (reason,))

    def document(self, remarks: Iterable[Trouble]) -> dict[str, object]:
        """The finding for people and programs: what /readyz says."""
        state = "stopping" if self._stopping else "degraded" if self.reasons else "serving"
        return {
            "state": state,
            "uptime_seconds": round(time.time() - self.started),
            "reasons": [{"reason": trouble.reason, "about": trouble.about} for trouble in self.reasons],
            "remarks": [{"reason": trouble.reason, "about": trouble.about} for trouble in remarks],
        }

    def _tell(self) -> None:
        if self.reasons:
            log.error("calls cannot be served", why=[trouble.about for trouble in self.reasons])
        else:
            log.info("calls can be served again")
