"""Cached, bounded children of a Prometheus family.

Looking up a child by labels costs more than the observation; and a family whose labels come from outside
could grow without
end. So children are cached by their label values, and past `LIMIT` of them the rest share one child labelled `other`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

LIMIT = 1000

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class Children(Generic[Metric]):
    """The children of one family with labels."""

    def __init__(self, family: Metric, width: int, limit: int = LIMIT) -> None:
        self._family = family
        self._limit = limit
        self._other = ("other",) * width
        self._cache: dict[tuple[str, ...], Metric] = {}

    def at(self, *labels: str) -> Metric:
        """The child with these label values."""
        child = self._cache.get(labels)
        if child is None:
            if len(self._cache) >= self._limit:
                labels = self._other
            child = self._cache[labels] = self._family.labels(*labels)
        return child

    def keep(self, wanted: set[tuple[str, ...]]) -> None:
        """Remove every child that is not in `wanted`: a trunk or campaign that is gone is not shown as 0 for ever."""
        for labels in self._cache.keys() - wanted:
            del self._cache[labels]
            self._family.remove(*labels)


class GaugeFamily:
    """A labelled gauge that is replaced as a whole."""

    def __init__(self, family: Gauge, width: int) -> None:
        self._children = Children(family, width)

    def replace(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Set every value; children not in `values` go."""
        for labels, value in values.items():
            self._children.at(*labels).set(value)
        self._children.keep(set(values))

    def set(self, value: float, *labels: str) -> None:
        """Set one child."""
        self._children.at(*labels).set(value)


class Totals:
    """A labelled counter fed from running totals that somebody else keeps."""

    def __init__(self, family: Counter, width: int) -> None:
        self._children = Children(family, width)
        self._seen: dict[tuple[str, ...], float] = {}

    def raise_to(self, total: float, *labels: str) -> None:
        """Bring the child up to `total`; a total that fell began anew, so all of it is added."""
        seen = self._seen.get(labels, 0)
        step = total - seen if total >= seen else total
        if step:
            self._children.at(*labels).inc(step)
        self._seen[labels] = total


CounterFamily = Children[Counter]
HistogramFamily = Children[Histogram]
