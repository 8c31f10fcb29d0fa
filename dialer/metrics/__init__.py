"""What the dialer counts, for Prometheus: a reader of the event stream plus gauges that the engine gives."""

from dialer.metrics.gauges import AbandonWindow, Gauges
from dialer.metrics.metrics import Metrics

__all__ = ["AbandonWindow", "Gauges", "Metrics"]
