"""Exemplars: a trace ID for each bucket of the latency histogram, for scrapers of OpenMetrics.

prometheus_client drops exemplars in multiprocess mode (client_python issues 648 and 826), so they
are stored here: in memory, and under Gunicorn also in a file for each worker.
"""

import logging
import os
import time
from bisect import bisect_left
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import orjson
from flask import Flask
from opentelemetry import trace

from app.core import telemetry
from app.core.observability import multiprocess
from app.core.observability.metrics import DURATION, DURATION_BUCKETS, LABELS, metrics
from app.core.observability.tracing import request_tracing, span_of
from app.core.pipeline import RequestInfo, request_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client import Metric

logger = logging.getLogger(__name__)

WRITE_SECONDS = 1.0  # the shortest time between two writes of a worker's file

Key = tuple[str, ...]
"""Method, route, status and bucket."""
Stored = dict[Key, tuple[str, float, float]]
"""Trace ID, duration in seconds and Unix time of the last sampled request in each bucket."""


class Exemplars:
    """Stores the trace IDs of sampled requests, and attaches them to the histogram."""

    def __init__(self) -> None:
        from prometheus_client.utils import floatToGoString  # noqa: PLC0415  see `metrics`

        self._buckets = [
            floatToGoString(each)  # type: ignore[no-untyped-call]  # the rest is typed
            for each in (*DURATION_BUCKETS, float("inf"))
        ]
        self._stored: Stored = {}
        self._write_at = 0.0
        self._writing = Lock()

    def record(self, info: RequestInfo) -> None:
        """Store the trace ID of this request if it is sampled."""
        ids = span_of(info).get_span_context()
        if not ids.trace_flags.sampled:
            return
        bucket = self._buckets[bisect_left(DURATION_BUCKETS, info.seconds)]
        key = (info.method, info.route or "_unmatched", str(info.status), bucket)
        self._stored[key] = trace.format_trace_id(ids.trace_id), info.seconds, time.time()
        directory = multiprocess.folder()
        if directory and time.monotonic() >= self._write_at:
            self._write(directory / f"exemplars_{os.getpid()}.json")

    def _write(self, file: Path) -> None:
        """Write the file; never fail a request, and never wait for another thread's write."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            self._write_at = time.monotonic() + WRITE_SECONDS
            unfinished = file.with_suffix(".new")
            unfinished.write_bytes(orjson.dumps([*self._stored.items()]))
            unfinished.replace(file)
        except OSError as error:
            logger.warning(
                "exemplars write failed", extra={telemetry.ERROR_TYPE: type(error).__name__}
            )
        finally:
            self._writing.release()

    def _from_all_workers(self) -> Stored:
        directory = multiprocess.folder()
        if directory is None:
            return self._stored
        with multiprocess.readable(directory):
            files = [orjson.loads(each.read_bytes()) for each in directory.glob("exemplars_*.json")]
        exemplars = [
            (moment, tuple(key), trace_id, seconds)
            for file in files
            for key, (trace_id, seconds, moment) in file
        ]
        # The latest exemplar of each bucket wins.
        return {
            key: (trace_id, seconds, moment) for moment, key, trace_id, seconds in sorted(exemplars)
        }

    def attach(self, collected: "Iterable[Metric]") -> "Iterator[Metric]":
        """Attach the exemplars to their buckets."""
        from prometheus_client.samples import Exemplar  # noqa: PLC0415  see `metrics`

        found = self._from_all_workers()
        for each in collected:
            if each.name == DURATION:
                for number, sample in enumerate(each.samples):
                    labels = sample.labels
                    names = (*LABELS, "le")
                    stored = found.get(tuple(labels.get(name, "") for name in names))
                    if stored:
                        trace_id, seconds, moment = stored
                        exemplar = Exemplar({"trace_id": trace_id}, seconds, moment)
                        each.samples[number] = sample._replace(exemplar=exemplar)
            yield each


def init_app(app: Flask) -> None:
    """Add exemplars to the metrics, unless tracing is disabled."""
    if request_tracing.get(app):
        exemplars = Exemplars()
        request_pipeline.of(app).on_finish.append(exemplars.record)
        metrics.of(app).add_exemplars = exemplars.attach
