"""All figures as the text that Prometheus reads.

Written by prometheus-client, family by family; between two families the event loop breathes, because a page of a
thousand lines takes some milliseconds and calls are waiting. A figure whose family is not in the table is our mistake
and an error, not a line.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from vault.domain.histogram import Histogram
from vault.server.metrics.families import FAMILIES, Family
from vault.service.gauges import Sample

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Page:
    """Makes pages."""

    def __init__(self) -> None:
        self._process = ProcessCollector(registry=CollectorRegistry())

    async def text(self, samples: Iterable[Sample]) -> bytes:
        """One page.

        Raises:
            KeyError: a sample is of no family that is known.
        """
        grouped: dict[str, list[Sample]] = {}
        for sample in samples:
            grouped.setdefault(sample.family, []).append(sample)
        parts = []
        for name, each in grouped.items():
            parts.append(generate_latest(_One([_metric(name, FAMILIES[name], each)])))
            await asyncio.sleep(0)
        parts.append(generate_latest(_One(self._process.collect())))
        return b"".join(parts)


class _One(Collector):
    """What `generate_latest` takes."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """The metrics given."""
        yield from self._metrics


def _metric(name: str, family: Family, samples: Iterable[Sample]) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(name, family.about, labels=family.labels)
        for sample in samples:
            if isinstance(sample.value, Histogram):
                buckets = [(_bound(bound), count) for bound, count in sample.value.cumulative()]
                histogram.add_metric(list(sample.labels), buckets, sample.value.total)
        return histogram
    plain: CounterMetricFamily | GaugeMetricFamily = (
        CounterMetricFamily(name.removesuffix("_total"), family.about, labels=family.labels)
        if family.kind == "counter"
        else GaugeMetricFamily(name, family.about, labels=family.labels)
    )
    for sample in samples:
        if not isinstance(sample.value, Histogram):
            plain.add_metric(list(sample.labels), sample.value)
    return plain


def _bound(bound: float) -> str:
    return "+Inf" if bound == float("inf") else repr(float(bound))
