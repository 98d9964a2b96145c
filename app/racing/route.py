"""`GET /lab/races/{id}/curves`, `/figures` and `/table.csv`: what a page needs to show a race while it goes on."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.racing.live import Answer, Feed
from lstm_core.runs.races import RaceNotFound
from lstm_core.runs.records import ID, StoreError
from lstm_core.runs.store import RunStore

KEPT = 8  # races that stay at hand
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # how a cell begins that a spreadsheet works out
COLUMNS = (
    ("value", "value"),
    ("seed", "seed"),
    ("run", "run"),
    ("status", "status"),
    ("step", "step"),
    ("steps", "steps"),
    ("solved_at_step", "solved"),
    ("seconds_until_solved", "seconds"),
    ("validation", "final"),
    ("test", "test"),
    ("gradient_first_to_last_at_step_0", "before"),
    ("gradient_first_to_last_at_the_end", "after"),
    ("failed_because", "error"),
)


class Feeds:
    """The races that were asked for lately in this process."""

    def __init__(self, store: Callable[[], RunStore]) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._feeds: OrderedDict[str, Feed] = OrderedDict()

    def answer(self, race_id: str) -> Answer:
        """What is known of a race; raises RaceNotFound."""
        if not ID.fullmatch(race_id):
            raise RaceNotFound(race_id)
        with self._lock:
            feed = self._feeds.setdefault(race_id, Feed(self._store, race_id))
            self._feeds.move_to_end(race_id)
            while len(self._feeds) > KEPT:
                self._feeds.popitem(last=False)
        try:
            return feed.answer()
        except RaceNotFound:
            with self._lock:
                self._feeds.pop(race_id, None)  # what is not there must not take the place of what is
            raise


async def curves(feeds: Feeds, request: Request) -> Response:
    """200 with the frame of `races_live`, 304 where nothing is new, 404 for an unknown race."""
    found = await _ask(feeds, request)
    if isinstance(found, Response):
        return found
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "no-cache"}
    if f'"{found.tag}"' in request.headers.get("if-none-match", "").replace("W/", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type="application/octet-stream", headers=headers)


async def figures(feeds: Feeds, request: Request) -> Response:
    """The race's panels with their figures, unfilled; 404 for an unknown race."""
    found = await _ask(feeds, request)
    if isinstance(found, Response):
        return found
    fixed = json.dumps({name: value for name, value in found.about.items() if name not in ("runs", "rows", "state")})
    body = await asyncio.to_thread(_specs, fixed)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


async def table(feeds: Feeds, request: Request) -> Response:
    """One row for each run, as a file to keep; 404 for an unknown race."""
    found = await _ask(feeds, request)
    if isinstance(found, Response):
        return found
    name = f"race-{found.about['race']}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(as_csv(found.about), media_type="text/csv; charset=utf-8", headers=headers)


def as_csv(about: Mapping[str, Any]) -> str:
    """The runs of a race as CSV; what is not known is empty. The first column is named by what varies."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_cell(about["vary"]), *(name for name, _ in COLUMNS[1:])])
    for run in about["runs"]:
        shown = {**run, "value": about["values"][run["value"]]}
        writer.writerow(["" if shown[key] is None else _cell(shown[key]) for _, key in COLUMNS])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """What a spreadsheet would work out is made text by a quotation mark before it; numbers stay numbers.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


async def _ask(feeds: Feeds, request: Request) -> Answer | Response:
    try:
        return await asyncio.to_thread(feeds.answer, str(request.path_params["id"]))
    except StoreError as error:
        status = 404 if isinstance(error, RaceNotFound) else 503
        return JSONResponse({"type": "missing", "message": str(error)}, status, headers={"Cache-Control": "no-store"})


@lru_cache(maxsize=16)
def _specs(fixed: str) -> bytes:
    from app.figures import race  # plotly takes a while to import; the server is up before it

    return json.dumps(race.specs(json.loads(fixed))).encode()


def routes(store: Callable[[], RunStore]) -> list[BaseRoute]:
    """Every route of this module, all of one set of feeds."""
    feeds = Feeds(store)
    return [
        Route(f"/lab/races/{{id}}/{name}", partial(answer, feeds))
        for name, answer in (("curves", curves), ("figures", figures), ("table.csv", table))
    ]
