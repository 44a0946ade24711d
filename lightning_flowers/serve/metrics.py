"""What Prometheus may ask: counts and times, nothing of what was sent."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = {"registry": self.registry, "namespace": "flowers"}
        self.requests = Counter("requests", "Requests by path and HTTP status", ("path", "status"), **registry)
        self.seconds = Histogram("request_seconds", "Seconds of a request", ("path",), buckets=_SECONDS, **registry)
        self.pictures = Counter("pictures", "Pictures by what became of them", ("outcome",), **registry)
        self.batch = Histogram("batch_pictures", "Pictures that the model saw at once", buckets=_BATCHES, **registry)
        self.waiting = Gauge("pictures_under_way", "Pictures that wait or are worked on", **registry)

    def text(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self.registry)
