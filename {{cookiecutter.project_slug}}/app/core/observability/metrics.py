"""Prometheus metrics at `/metrics`, correct with several workers, for direct internal clients.

prometheus_client decides at import whether values are stored in files that workers share. It is
therefore imported in the worker, after the master has created their folder (`multiprocess`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blinker import Signal
from flask import Blueprint, Flask, Response, current_app, request

from app.core import internal, telemetry
from app.core.extension import Extension
from app.core.internal import InternalSettings
from app.core.observability import multiprocess
from app.core.pipeline import RequestInfo, request_pipeline

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram, Metric


def label(attribute: str) -> str:
    """Return the label that stands for an attribute: Prometheus takes no dots in it."""
    return attribute.replace(".", "_")


DURATION = "http_server_request_duration_seconds"
ROUTE_LABELS = (label(telemetry.HTTP_REQUEST_METHOD), label(telemetry.HTTP_ROUTE))
"""The labels of metrics per method and route."""
LABELS = (*ROUTE_LABELS, label(telemetry.HTTP_RESPONSE_STATUS_CODE))
"""The labels of `DURATION`."""
# Seconds: fine for the latencies of a healthy service, coarse up to Gunicorn's timeout.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZE_BUCKETS = (256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576)


class MetricsSettings(InternalSettings):
    """Metrics."""

    service_commit: str = "unknown"
    """The commit of this deployment, shown in `service_build_info`."""


@dataclass(frozen=True, slots=True)
class Description:
    """The description of a metric, for docs/metrics.md."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class _Series:
    """The series of one method, route and status, cached to avoid a lookup for each request."""

    seconds: "Histogram"
    size: "Histogram"


class Metrics:
    """Records requests in a registry of the application: number, duration, size and concurrency.

    Label values never come from the client: a standard HTTP method or `_OTHER`, a route's template
    or `_unmatched`, a status, the class of an exception.
    """

    def __init__(self, settings: MetricsSettings) -> None:
        # Imported here; see the module's docstring.
        from prometheus_client import (  # noqa: PLC0415
            CollectorRegistry,
            disable_created_metrics,
        )

        # Multiprocess files do not support the `_created` series, and they are not needed.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the rest is typed
        self.add_exemplars: Callable[[Iterable[Metric]], Iterable[Metric]] = iter
        """Applied to the metrics when the scraper accepts OpenMetrics."""
        self.descriptions: list[Description] = []
        """All metrics of this application."""
        # {% if cookiecutter.background_tasks %}
        self._collectors: list[Callable[[], Iterable[Metric]]] = []
        # {% endif %}
        self._registry = CollectorRegistry()
        self._series: dict[tuple[str, str | None, int], _Series] = {}
        self._seconds = self.histogram(
            DURATION,
            "Time from the first byte of a request to the last byte of its response, in seconds",
            LABELS,
            DURATION_BUCKETS,
        )
        # Without the status: sizes barely depend on it, and a histogram has many series.
        self._bytes = self.histogram(
            "http_server_response_body_size_bytes",
            "Size of response bodies, in bytes",
            ROUTE_LABELS,
            SIZE_BUCKETS,
        )
        self._exceptions = self.counter(
            "http_server_exceptions_total",
            "Requests that ended with an unhandled exception",
            [*ROUTE_LABELS, label(telemetry.ERROR_TYPE)],
        )
        self._active = self.gauge("http_server_active_requests", "Requests in progress")
        threads = self.gauge(
            "http_server_threads",
            "Threads for requests, which is the maximum of requests in progress",
        )
        threads.set(settings.web_threads)
        build = self.gauge(
            "service_build_info",
            "Always 1; the labels are SERVICE_VERSION and SERVICE_COMMIT",
            ["version", "commit"],
            across="livemax",
        )
        build.labels(settings.service_version, settings.service_commit).set(1)

    def counter(self, name: str, meaning: str, labels: Iterable[str] = ()) -> "Counter":
        """Create a counter; a scrape returns its sum over all workers, including exited ones."""
        from prometheus_client import Counter  # noqa: PLC0415  see above

        self._describe("counter", name, meaning, labels)
        return Counter(name, meaning, labels, registry=self._registry)

    def histogram(
        self, name: str, meaning: str, labels: Iterable[str], buckets: Iterable[float]
    ) -> "Histogram":
        """Create a histogram; a scrape returns its sum over all workers, including exited ones."""
        from prometheus_client import Histogram  # noqa: PLC0415  see above

        self._describe("histogram", name, meaning, labels)
        return Histogram(name, meaning, labels, buckets=[*buckets], registry=self._registry)

    def gauge(
        self, name: str, meaning: str, labels: Iterable[str] = (), *, across: str = "livesum"
    ) -> "Gauge":
        """Create a gauge; a scrape returns its sum over live workers.

        With `across="livemax"`, a scrape returns the maximum instead.
        """
        from prometheus_client import Gauge  # noqa: PLC0415  see above

        self._describe("gauge", name, meaning, labels)
        return Gauge(
            name,
            meaning,
            labels,
            registry=self._registry,
            multiprocess_mode=across,  # type: ignore[arg-type]  # one of its literals
        )

    # {% if cookiecutter.background_tasks %}
    def add_collector(
        self,
        gauges: dict[tuple[str, str], Iterable[str]],
        collect: "Callable[[], Iterable[Metric]]",
    ) -> None:
        """Add gauges that belong to no worker, and so are not summed.

        Args:
            gauges: their labels, by their name and meaning.
            collect: returns their values; it is called at each scrape.

        """
        for (name, meaning), labels in gauges.items():
            self._describe("gauge", name, meaning, labels)
        self._collectors.append(collect)

    # {% endif %}
    def _describe(self, kind: str, name: str, meaning: str, labels: Iterable[str]) -> None:
        self.descriptions.append(Description(name, kind, tuple(labels), meaning))

    def start(self, info: RequestInfo) -> None:
        """Count a request in progress."""
        del info
        self._active.inc()

    def finish(self, info: RequestInfo) -> None:
        """Record a finished request."""
        self._active.dec()
        key = (info.method, info.route, info.status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = self._new_series(info)
        series.seconds.observe(info.seconds)
        series.size.observe(info.sent_bytes)
        if info.error is not None:
            self._exceptions.labels(*_labels(info), type(info.error).__name__).inc()

    def _new_series(self, info: RequestInfo) -> _Series:
        labels = _labels(info)
        return _Series(self._seconds.labels(*labels, str(info.status)), self._bytes.labels(*labels))

    def collect(self) -> "list[Metric]":
        """Return the metrics of all workers."""
        return multiprocess.collect(self._registry)

    def exposition(self) -> Response:
        """Return all metrics in the text format that the client accepts."""
        collected = self.collect()
        # {% if cookiecutter.background_tasks %}
        collected = [*collected, *(metric for collect in self._collectors for metric in collect())]
        # {% endif %}
        content_type, body = encoded(
            collected, request.headers.get("Accept", ""), self.add_exemplars
        )
        return Response(body, content_type=content_type)


@dataclass(frozen=True, slots=True)
class _Collected:
    """A collector of metrics that have been collected already."""

    collected: "Iterable[Metric]"

    def collect(self) -> "Iterable[Metric]":
        return self.collected


def encoded(
    collected: "Iterable[Metric]",
    accept: str,
    add_exemplars: "Callable[[Iterable[Metric]], Iterable[Metric]]" = iter,
) -> tuple[str, bytes]:
    """Return the content type that the client accepts, and the metrics encoded in it."""
    from prometheus_client.exposition import choose_encoder  # noqa: PLC0415  see above

    encode, content_type = choose_encoder(accept)
    if content_type.startswith("application/openmetrics-text"):
        collected = add_exemplars(collected)
    return content_type, encode(_Collected(collected))


def _labels(info: RequestInfo) -> tuple[str, str]:
    return info.method, info.route or "_unmatched"


metrics = Extension[Metrics]("metrics")
"""Features add their own metrics to it."""


def descriptions(app: Flask) -> list[Description]:
    """Return the descriptions of an application's metrics."""
    return metrics.of(app).descriptions


def count(
    app: Flask, happened: Signal, name: str, meaning: str, labels: Iterable[str] = ()
) -> None:
    """Create a counter of a signal that the application sends.

    Domains send signals and do not depend on metrics. The signal carries the label values, of which
    there must be few.
    """
    names = list(labels)
    counter = metrics.of(app).counter(name, meaning, names)
    if not names:
        counter.inc(0)  # start at zero, so that `rate()` sees the first increase

    def counted(_sender: Flask, **values: str) -> None:
        (counter.labels(*(values[label] for label in names)) if names else counter).inc()

    happened.connect(counted, sender=app, weak=False)


def send(happened: Signal, **values: Any) -> None:  # noqa: ANN401  what the receivers take
    """Send a signal as the current application, whose counters count it."""
    happened.send(current_app._get_current_object(), **values)  # type: ignore[attr-defined]  # noqa: SLF001  Flask's documented way


def init_app(app: Flask, settings: MetricsSettings) -> None:
    """Record all requests except health probes and scrapes, and serve `/metrics` internally."""
    own = metrics.set(app, Metrics(settings))
    blueprint = Blueprint("metrics", __name__)
    internal.guard(blueprint, settings)
    blueprint.add_url_rule("/metrics", view_func=own.exposition)
    app.register_blueprint(blueprint)
    around = request_pipeline.of(app)
    around.quiet_blueprints.add(blueprint.name)
    around.on_start.append(own.start)
    around.on_finish.append(own.finish)
