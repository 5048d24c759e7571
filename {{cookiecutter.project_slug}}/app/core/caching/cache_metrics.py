"""A counter of cached reads, by outcome."""

from flask import Flask

from app.core.caching.cache import OUTCOMES, cache
from app.core.observability.metrics import metrics


def init_app(app: Flask) -> None:
    """Count each read by its outcome; all counters start at zero, as a rate needs a first value."""
    counter = metrics.of(app).counter(
        "cache_reads_total",
        "Cached reads, by outcome: hit, miss or bypass (Redis was unavailable, or the wait too long)",
        ["outcome"],
    )
    counters = {outcome: counter.labels(outcome) for outcome in OUTCOMES}
    cache.of(app).observers.append(lambda outcome: counters[outcome].inc())
