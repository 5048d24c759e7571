"""Prometheus metrics at `/metrics`, right under several workers, for direct callers inside.

prometheus_client decides when it is imported whether numbers lie in files that workers share, so
that happens in the worker, after the master has made their folder (`worker_metrics`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, cast

from blinker import Signal
from flask import Blueprint, Flask, Response, request

from app.core import internal, pipeline, telemetry
from app.core.internal import InternalSettings
from app.core.observability import multiprocess
from app.core.pipeline import RequestInfo

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram, Metric


def label(attribute: str) -> str:
    """Return the label that stands for an attribute: Prometheus takes no dots in it."""
    return attribute.replace(".", "_")


SECONDS = "http_server_request_duration_seconds"
WHERE = (label(telemetry.HTTP_REQUEST_METHOD), label(telemetry.HTTP_ROUTE))
"""The labels of what belongs to a method and a route."""
LABELS = (*WHERE, label(telemetry.HTTP_RESPONSE_STATUS_CODE))
"""The labels of `SECONDS`."""
# Seconds: fine where a healthy service answers, coarse up to Gunicorn's own limit.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BYTES = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576)


class MetricsSettings(InternalSettings):
    """What metrics can be told."""

    service_commit: str = "unknown"
    """What was built: the commit, beside `service_version`."""


@dataclass(frozen=True, slots=True)
class _Series:
    """Where the requests of one method, route and status are counted; kept, not looked up."""

    seconds: "Histogram"
    size: "Histogram"


class Metrics:
    """Observes requests: how many, how long, how large and how many now.

    Labels are what this service can make, never what a client can: a method of HTTP or `_OTHER`,
    a route's template or `_unmatched`, a status, the class of an exception.
    """

    def __init__(self, settings: MetricsSettings) -> None:
        """Keep a registry of this application's own."""
        # Loaded here; see above.
        from prometheus_client import (  # noqa: PLC0415
            CollectorRegistry,
            disable_created_metrics,
        )

        # Files have no room for these series, and nobody needs them.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the rest is typed
        self.decorate: Callable[[Iterable[Metric]], Iterable[Metric]] = iter
        """What is done to the numbers for those who ask for OpenMetrics."""
        self.shared: list[Callable[[], Iterable[Metric]]] = []
        """Who is asked at each look for numbers that are no worker's own, so they are not summed."""
        self._registry = CollectorRegistry()
        self._series: dict[tuple[str, str | None, int], _Series] = {}
        self._seconds = self.histogram(
            SECONDS,
            "Time from the first byte in to the last byte out",
            LABELS,
            BUCKETS,
        )
        # Without the status, because sizes hardly depend on it and histograms are many series.
        self._bytes = self.histogram(
            "http_server_response_body_size_bytes",
            "Size of answers, without their headers",
            WHERE,
            BYTES,
        )
        self._exceptions = self.counter(
            "http_server_exceptions_total",
            "Requests that ended with a bug",
            [*WHERE, label(telemetry.ERROR_TYPE)],
        )
        self._active = self.gauge("http_server_active_requests", "Requests being answered now")
        threads = self.gauge("http_server_threads", "Requests that can be answered at once")
        threads.set(settings.web_threads)
        build = self.gauge(
            "service_build_info", "What runs here", ["version", "commit"], across="livemax"
        )
        build.labels(settings.service_version, settings.service_commit).set(1)

    def counter(self, name: str, meaning: str, labels: Iterable[str] = ()) -> "Counter":
        """Make a counter; its sum over all workers, past ones included, is shown."""
        from prometheus_client import Counter  # noqa: PLC0415  see above

        return Counter(name, meaning, labels, registry=self._registry)

    def histogram(
        self, name: str, meaning: str, labels: Iterable[str], buckets: Iterable[float]
    ) -> "Histogram":
        """Make a histogram; its sum over all workers, past ones included, is shown."""
        from prometheus_client import Histogram  # noqa: PLC0415  see above

        return Histogram(name, meaning, labels, buckets=[*buckets], registry=self._registry)

    def gauge(
        self, name: str, meaning: str, labels: Iterable[str] = (), *, across: str = "livesum"
    ) -> "Gauge":
        """Make a gauge; its sum (or, `across="livemax"`, its maximum) over living workers is shown."""
        from prometheus_client import Gauge  # noqa: PLC0415  see above

        return Gauge(
            name,
            meaning,
            labels,
            registry=self._registry,
            multiprocess_mode=across,  # type: ignore[arg-type]  # one of its literals
        )

    def began(self, info: RequestInfo) -> None:
        """Count a request that is being answered."""
        del info
        self._active.inc()

    def finished(self, info: RequestInfo) -> None:
        """Count the request, now that everything is known."""
        self._active.dec()
        key = (info.method, info.route, info.status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._new(info)
        series.seconds.observe(info.seconds)
        series.size.observe(info.sent_bytes)
        if info.error is not None:
            self._exceptions.labels(*_where(info), type(info.error).__name__).inc()

    def _new(self, info: RequestInfo) -> _Series:
        where = _where(info)
        return _Series(self._seconds.labels(*where, str(info.status)), self._bytes.labels(*where))

    def numbers(self) -> "list[Metric]":
        """Return the numbers of all workers."""
        return multiprocess.collect(self._registry)

    def exposition(self) -> Response:
        """Return all numbers in the text format that the caller asks for."""
        numbers = chain(self.numbers(), *(ask() for ask in self.shared))
        content_type, body = encoded(numbers, request.headers.get("Accept", ""), self.decorate)
        return Response(body, content_type=content_type)


@dataclass(frozen=True, slots=True)
class _Collected:
    """What has been collected, as a collector."""

    numbers: "Iterable[Metric]"

    def collect(self) -> "Iterable[Metric]":
        return self.numbers


def encoded(
    numbers: "Iterable[Metric]",
    accept: str,
    decorate: "Callable[[Iterable[Metric]], Iterable[Metric]]" = iter,
) -> tuple[str, bytes]:
    """Return a text format that the caller accepts, and numbers in it."""
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415  see above

    encode, content_type = choose_encoder(accept)
    if content_type.startswith("application/openmetrics-text"):
        numbers = decorate(numbers)
    return content_type, encode(_Collected(numbers))


def _where(info: RequestInfo) -> tuple[str, str]:
    return info.method, info.route or "_unmatched"


def of(app: Flask) -> Metrics:
    """Return the metrics of this application; features add their own numbers here."""
    return cast("Metrics", app.extensions["metrics"])


def count(
    app: Flask, happened: Signal, name: str, meaning: str, labels: Iterable[str] = ()
) -> None:
    """Count how often something happens: a signal that this application sends.

    Domains send signals and know nothing of metrics; the values of labels come with the signal,
    and must be few.
    """
    names = list(labels)
    counter = of(app).counter(name, meaning, names)
    if not names:
        counter.inc(0)  # a rate needs a start, and nothing happens in a quiet night

    def counted(_sender: Flask, **values: str) -> None:
        (counter.labels(*(values[label] for label in names)) if names else counter).inc()

    happened.connect(counted, sender=app, weak=False)


def init_app(app: Flask, settings: MetricsSettings) -> None:
    """Count every request but those that watch the service, and serve the numbers inside."""
    metrics = Metrics(settings)
    app.extensions["metrics"] = metrics
    blueprint = Blueprint("metrics", __name__)
    internal.guard(blueprint, settings)
    blueprint.add_url_rule("/metrics", view_func=metrics.exposition)
    app.register_blueprint(blueprint)
    around = pipeline.of(app)
    around.quiet_blueprints.add(blueprint.name)
    around.observers.append(metrics)
