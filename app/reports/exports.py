"""A run as files to take home: `GET /lab/runs/{id}/export/{file}`, and the list of what there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from app import calculator
from app.calculator import CalculatorError
from app.reports.findings import look
from app.setting.branching import file_name
from lstm_core.export import scalars_csv, script_of, settings_json
from lstm_core.files import FileProblem
from lstm_core.runs.records import Run, RunNotFound, StoreError
from lstm_core.runs.store import RunStore
from lstm_core.settings import Impossible

NOT_BEGUN = "This run has not begun yet: there is nothing to export but its settings and its script."


@dataclass(frozen=True)
class Export:
    """One kind of file: its words on the page, its type, whether the run must have begun, and what makes it."""

    title: str
    help: str
    media: str
    make: Callable[[RunStore, Run], bytes | Iterator[str]]
    of_begun: bool = True


def _scalars(store: RunStore, run: Run) -> Iterator[str]:
    return scalars_csv(store.scalars(run.id))


def _settings(_store: RunStore, run: Run) -> bytes:
    return settings_json(run.config).encode()


def _weights(store: RunStore, run: Run) -> bytes:
    return store.weights(run.id)


def _script(store: RunStore, run: Run) -> bytes:
    fine, text = calculator.ask(_written, store, run.id)
    if not fine:
        raise Impossible(text)
    return text.encode()


def _written(store: RunStore, run_id: str) -> tuple[bool, str]:
    """The script, or why there is none. Asked of the calculating process: a file of weights may have to be opened."""
    try:
        return True, script_of(store, run_id)
    except (Impossible, FileProblem) as error:
        return False, str(error)
    finally:
        store.close()


def _report(store: RunStore, run: Run) -> bytes:
    from app.reports.html import report  # plotly takes a while to import; the server is up before it

    return report(look(store, run.id), store).encode()


EXPORTS: Mapping[str, Export] = MappingProxyType(
    {
        "report.html": Export(
            "Report (HTML)",
            "Settings, findings and charts to hover and zoom, in one file of about 5 MB that needs no network.",
            "text/html; charset=utf-8",
            _report,
        ),
        "script.py": Export(
            "Script (Python)",
            "Plain PyTorch without this project: run, it gives the same loss at every step.",
            "text/x-python; charset=utf-8",
            _script,
            of_begun=False,
        ),
        "scalars.csv": Export(
            "Scalars (CSV)",
            "Loss, metric, gradient norms and learning rate of every step, a column each.",
            "text/csv; charset=utf-8",
            _scalars,
        ),
        "settings.json": Export(
            "Settings (JSON)",
            "What the run consists of, as Python and the terminal read it.",
            "application/json",
            _settings,
            of_begun=False,
        ),
        "weights.safetensors": Export(
            "Weights (safetensors)",
            "What it has learned so far, with the names of torch.",
            "application/octet-stream",
            _weights,
        ),
    }
)


async def export(store: Callable[[], RunStore], request: Request) -> Response:
    """200 with the file; 404 with a sentence for a run or a file that is not there."""
    try:
        return await asyncio.to_thread(_answer, store(), request.path_params["id"][:64], request.path_params["file"])
    except StoreError as error:
        return _no(str(error), 404 if isinstance(error, RunNotFound) else 503)


def _answer(store: RunStore, run_id: str, name: str) -> Response:
    kind = EXPORTS.get(name)
    if kind is None:
        return _no(f"There is no export {name[:40]!r}; there are {', '.join(EXPORTS)}.", 404)
    run = store.get(run_id)
    if kind.of_begun and (run.step < 0 or run.about is None):
        return _no(NOT_BEGUN, 404)
    try:
        made = kind.make(store, run)
    except (Impossible, FileProblem) as error:
        return _no(str(error), 404)
    except CalculatorError as error:
        return _no(str(error), 503)
    headers = {
        "Content-Disposition": f'attachment; filename="{download_name(run, name)}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    if isinstance(made, bytes):
        return Response(made, media_type=kind.media, headers=headers)
    return StreamingResponse(made, media_type=kind.media, headers=headers)


def download_name(run: Run, name: str) -> str:
    """«recall-lstm-64-step-600-scalars.csv»; the weights' own name where they are what is exported."""
    weights = file_name(run)
    return weights if name.startswith("weights.") else f"{weights.removesuffix('.safetensors')}-{name}"


def address(run: Run, name: str) -> str:
    """Where this server gives the file."""
    return f"/lab/runs/{run.id}/export/{name}"


def _no(message: str, status: int) -> Response:
    return PlainTextResponse(message, status, headers={"Cache-Control": "no-store"})
