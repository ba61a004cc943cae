"""The gateway's figures as Prometheus reads them.

    customer_vault_mail_waiting             messages that wait, and
    customer_vault_mail_oldest_seconds      how long the oldest of them has: asked of the vault for each page
    customer_vault_mail_<family>_total      what happened since the start (`counts`)

The rate of temporary failures is `rate(customer_vault_mail_relayed_total{outcome="tempfail"}[5m])` on the way out, and
the same of `received_total` on the way in. A vault that does not answer leaves out the first two; that alone is an
alarm (`absent`), and no figure here is one of yesterday.
"""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from vault.errors import VaultError
from vault.gateway.counts import FAMILIES, Counts
from vault.gateway.port import Depth, MailStore

_PREFIX: Final = "customer_vault_mail_"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Makes pages."""

    def __init__(self, store: MailStore, counts: Counts) -> None:
        self._store = store
        self._counts = counts
        self._process = ProcessCollector(registry=CollectorRegistry())

    async def page(self) -> bytes:
        """One page."""
        try:
            depth = await self._store.depth()
        except VaultError:
            depth = None
        return generate_latest(_All([*_gauges(depth), *self._counters(), *self._process.collect()]))

    async def ready(self) -> bool:
        """Whether the vault answers, so that mail is taken."""
        try:
            await self._store.depth()
        except VaultError:
            return False
        return True

    def _counters(self) -> Iterator[Metric]:
        for family, (label, about) in FAMILIES.items():
            metric = CounterMetricFamily(f"{_PREFIX}{family}", about, labels=[label])
            for name, value, number in self._counts.items():
                if name == family:
                    metric.add_metric([value], number)
            yield metric


class _All(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """The metrics given."""
        yield from self._metrics


def _gauges(depth: Depth | None) -> Iterator[Metric]:
    if depth is not None:
        yield GaugeMetricFamily(f"{_PREFIX}waiting", "Messages that wait for their delivery.", depth.messages)
        yield GaugeMetricFamily(f"{_PREFIX}oldest_seconds", "Age of the message that waits longest.", depth.oldest)
