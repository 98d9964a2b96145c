"""`GET /metrics`: what this server does, in figures, as Prometheus reads them. Nothing in them is about a person.

LSTM_LAB_METRICS says who may read them: without it only programs on this machine; `open` lets everyone; anything else
is a token that has to be sent as `Authorization: Bearer …`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app import services
from app.live.hub import Hub
from app.outside.cookies import is_local
from app.outside.counters import REGISTRY, token
from lstm_core.runs.records import StoreError
from lstm_core.runs.statistics import Statistics, Tally


def may_read(request: Request) -> bool:
    given = token()
    if given == "open" or is_local(request):
        return True
    kind, _, shown = request.headers.get("authorization", "").partition(" ")
    return bool(given) and kind.lower() == "bearer" and secrets.compare_digest(shown.encode(), given.encode())


class Server(Collector):
    """All figures of this process; those of the store, the engine and the viewers are looked up when asked for."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def collect(self) -> Iterator[Metric]:
        yield from REGISTRY.collect()
        yield GaugeMetricFamily("lstm_lab_viewers", "Open live views of runs.", self.hub.viewers)
        yield GaugeMetricFamily("lstm_lab_watched_runs", "Runs with at least one live view.", len(self.hub.topics))
        yield from _engine(services.statistics())
        yield from self._store()

    def _store(self) -> Iterable[Metric]:
        usable = GaugeMetricFamily("lstm_lab_store_usable", "1 where the run store can be read.")
        try:
            counts, size = self.hub.store().census(), self.hub.store().size()
        except StoreError:
            usable.add_metric([], 0)
            return [usable]
        usable.add_metric([], 1)
        runs = GaugeMetricFamily("lstm_lab_runs", "Runs in the store by what they do.", labels=["status"])
        for status, count in counts.items():
            runs.add_metric([status], count)
        return [usable, runs, GaugeMetricFamily("lstm_lab_store_bytes", "What the run store takes up.", size)]


def _engine(done: Statistics) -> Iterator[Metric]:
    yield GaugeMetricFamily("lstm_lab_workers", "Training processes that are alive.", done.workers)
    yield GaugeMetricFamily("lstm_lab_waiting_runs", "Runs that want a slice and have none.", done.waiting)
    yield GaugeMetricFamily(
        "lstm_lab_longest_wait_seconds", "How long the first of these has waited.", done.longest_wait
    )
    yield CounterMetricFamily("lstm_lab_steps", "Training steps done.", done.steps)
    yield CounterMetricFamily("lstm_lab_lost_slices", "Slices whose worker died.", done.lost)
    yield _histogram("lstm_lab_slice_seconds", "From handing out a slice until it was over.", done.slices)
    yield _histogram("lstm_lab_wait_seconds", "From wanting a slice until getting it.", done.waits)


def _histogram(name: str, about: str, tally: Tally) -> Metric:
    buckets, below = [], 0
    for bound, count in zip([*map(str, tally.bounds), "+Inf"], tally.counts):
        below += count
        buckets.append((bound, below))
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=tally.total)


def registry(hub: Hub) -> CollectorRegistry:
    """Everything there is to read of the server with this hub."""
    whole = CollectorRegistry()
    whole.register(Server(hub))
    return whole


async def metrics(registry: CollectorRegistry, request: Request) -> Response:
    """200 with the figures, 403 for somebody who may not see them."""
    if not may_read(request):
        return PlainTextResponse("The figures can be read on the server itself, or with its token.\n", 403)
    write, kind = exposition.choose_encoder(request.headers.get("accept", ""))
    body = await asyncio.to_thread(write, registry)
    return Response(body, headers={"Content-Type": kind, "Cache-Control": "no-store"})
