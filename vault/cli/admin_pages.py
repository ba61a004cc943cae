"""What the admin port of a running server says, read for commands.

Plain HTTP over the loopback, by the standard library and past any proxy that the environment names: the pages are this
machine's own.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from vault.errors import Unavailable

_SECONDS: Final = 10
_NOT_NOW: Final = 503


@dataclass(frozen=True, slots=True)
class Figures:
    """One page of /metrics: samples by name."""

    samples: Mapping[str, Sequence[tuple[Mapping[str, str], float]]]

    def each(self, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
        """(labels, value) of each sample of a name."""
        yield from self.samples.get(name, ())

    def total(self, name: str) -> float:
        """The sum of all samples of a name."""
        return sum(value for _, value in self.each(name))

    def quantile_ms(self, name: str, part: float) -> float | None:
        """The bound of a histogram, over all labels, that so large a part is within; None if nothing was noted."""
        buckets: dict[float, float] = {}
        for labels, value in self.each(f"{name}_bucket"):
            bound = float(labels["le"])
            buckets[bound] = buckets.get(bound, 0) + value
        wanted = buckets.get(float("inf"), 0) * part
        found = next((bound for bound in sorted(buckets) if wanted and buckets[bound] >= wanted), None)
        return found if found is None else round(found * 1000, 1)


def figures(at: str) -> Figures:
    """The figures of the server whose admin port is at `host:port`.

    Raises:
        Unavailable: it does not answer.
    """
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(_get(at, "/metrics")):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append((sample.labels, float(sample.value)))
    return Figures(samples)


def readiness(at: str) -> dict[str, Any]:
    """What /readyz says. Raises as `figures`."""
    said: dict[str, Any] = json.loads(_get(at, "/readyz"))
    return said


def _get(at: str, path: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{at}{path}", timeout=_SECONDS) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        with error:
            if error.code == _NOT_NOW:
                return error.read().decode()
        raise Unavailable(f"the admin port answered {error.code}: see the server's log") from None
    except (OSError, ValueError):
        raise Unavailable("nobody answers at the admin port: see that the server runs and has [admin]") from None
