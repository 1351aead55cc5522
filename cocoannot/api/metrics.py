"""What is measured, in Prometheus' text format, and the access log: both are told of each request by `instrument`.

A registry belongs to one application. Labels have few values, whatever clients send.
"""

from __future__ import annotations

import logging
import platform
import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import cast
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from cocoannot.api.instrumentation import ServedRequest, instrument
from cocoannot.errors import NotLoaded, Unavailable
from cocoannot.events.feed import Feed
from cocoannot.extension import runtime
from cocoannot.logs import ACCESS
from cocoannot.people.roles import needs
from cocoannot.store.base import Measures, Store
from cocoannot.version import __version__

_NAME = "cocoannot.metrics"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
# What `quote` leaves as it is, whatever it is told.
_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")
_PROBES = {"/healthz", "/readyz", "/metrics"}

blueprint = Blueprint("metrics", __name__)
access_log = logging.getLogger(ACCESS)


@blueprint.route("/metrics")
@needs("viewer")
def metrics() -> Response:
    """Everything that is measured, in Prometheus' text format; without the dataset's part until it is loaded."""
    measured = cast(_Metrics, current_app.extensions[_NAME])
    return Response(generate_latest(measured.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def register_metrics(app: Flask) -> None:
    """Measure and log every request to `app` from now on; to be called before other checks of requests are added."""
    store = runtime(app).manager.store
    measured = app.extensions[_NAME] = _Metrics(store, runtime(app).events)

    def ended(served: ServedRequest) -> None:
        measured.count(served)
        _log(served)

    instrument(app, lambda: store.revision, measured.in_progress.inc, ended)


class _Metrics:
    """The registry of one application, and what is counted as it happens."""

    def __init__(self, store: Store, feed: Feed) -> None:
        self.registry = _Registry()
        self._requests = Counter(
            "cocoannot_http_requests",
            "Requests that were answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._durations = Histogram(
            "cocoannot_http_request_duration_seconds",
            "From the head of a request to the end of its answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "cocoannot_http_requests_in_progress", "Requests that are being answered", registry=self.registry
        )
        build = Info("cocoannot_build", "What is running", registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        self.registry.register(_DatasetCollector(store))
        self.registry.register(_StreamCollector(feed))
        ProcessCollector(registry=self.registry)

        # The library would look for each series by its labels in a slower way.
        self._request_series = lru_cache(self._requests.labels)
        self._duration_series = lru_cache(self._durations.labels)

    def count(self, served: ServedRequest) -> None:
        method = served.method if served.method in _METHODS else "other"
        self._request_series(method, served.route, str(served.status)).inc()
        self._duration_series(method, served.route).observe(served.seconds)
        self.in_progress.dec()


class _Registry(CollectorRegistry):
    """Without the time at which each series was made: nobody asks for it, and it would be a series of its own."""

    def collect(self) -> Iterable[Metric]:
        for family in super().collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class _StreamCollector(Collector):
    """The streams of events, looked up when it is asked for."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def collect(self) -> Iterable[Metric]:
        yield _gauge("event_streams", "Streams of events that are open", self._feed.count)
        yield CounterMetricFamily(
            "cocoannot_event_streams_cut_off",
            "Streams of events that were closed because their readers did not keep up",
            self._feed.cut_off,
        )


class _DatasetCollector(Collector):
    """Where the dataset stands, looked up when it is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        if isinstance(self._store, Measures):
            for measure in self._store.measures():
                family = CounterMetricFamily if measure.grows else GaugeMetricFamily
                yield family(f"cocoannot_{measure.name}", measure.description, measure.value)
        try:
            status = self._store.status()
        except (NotLoaded, Unavailable):
            return
        revision = GaugeMetricFamily("cocoannot_revision", "Changes accepted so far, over restarts", labels=["stage"])
        revision.add_metric(["memory"], status.revision)
        revision.add_metric(["journal"], status.journal_revision)
        revision.add_metric(["file"], status.file_revision)
        pending = GaugeMetricFamily(
            "cocoannot_pending_changes", "Changes that are not in the file", labels=["records", "change"]
        )
        for name, count in status.pending.counts().items():
            pending.add_metric(name.split("_"), count)
        records = GaugeMetricFamily("cocoannot_records", "Records in memory", labels=["records"])
        for name, count in status.counts.items():
            records.add_metric([name], count)
        yield from (revision, pending, records)
        saves = status.saves
        yield _gauge("unsaved_age_seconds", "Age of the oldest change not in the file", status.pending_seconds or 0)
        yield CounterMetricFamily("cocoannot_saves", "Saves that worked", saves.done)
        yield CounterMetricFamily("cocoannot_failed_saves", "Saves that failed; nothing is lost", saves.failed)
        yield CounterMetricFamily("cocoannot_save_seconds", "Time that saves took which worked", saves.seconds)
        yield _gauge("last_save_failed", "1 where the last save failed, else 0", status.saves.error is not None)
        if status.saves.last_at is not None and status.saves.last_seconds is not None:
            yield _gauge("last_save_seconds", "Time that the last save took which worked", status.saves.last_seconds)
            yield _gauge("last_save_timestamp_seconds", "When it ended, since 1970", status.saves.last_at)
        yield _gauge("journal_bytes", "Size of the journal", status.journal_size)
        yield _gauge(
            "changes_refused", "1 where changes can't be written down, else 0", status.journal_error is not None
        )
        yield _gauge("dataset_bytes", "Size of the dataset's file, as it was read or saved last", status.size)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"cocoannot_{name}", documentation, value)


def _log(served: ServedRequest) -> None:
    """One line of the access log; what clients choose can't end it or look like another field of it."""
    if served.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = logging.WARNING
    elif served.route in _PROBES and served.status < HTTPStatus.BAD_REQUEST:
        level = logging.DEBUG
    else:
        level = logging.INFO
    if not access_log.isEnabledFor(level):
        return
    remote, method = _quoted(served.remote, ":"), _quoted(served.method, "/")
    path = _quoted(served.path, "/:@!$&'()*+,;=")
    milliseconds = round(served.seconds * 1000, 1)
    fields = {
        "remote": remote,
        "method": method,
        "path": path,
        "status": served.status,
        "bytes": served.sent,
        "duration_ms": milliseconds,
        "revision": served.revision,
        "route": served.route,
    }
    line = f"{remote} {method} {path} {served.status} {served.sent} bytes {milliseconds} ms revision {served.revision}"
    access_log.log(level, line, extra={"fields": fields})


def _quoted(text: str, safe: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text.encode("latin-1", "replace"), safe)
