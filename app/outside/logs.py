"""What the server writes down of itself, and what a page says of an error whose story only the log tells."""

from __future__ import annotations

import logging
import secrets

import streamlit as st
import streamlit.error_util
import streamlit.logger
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.outside import counters, headers
from lstm_core import logs

_log = logging.getLogger("lstm-lab")


def set_up() -> None:
    """Let Streamlit and all others log as LSTM_LAB_LOG says; raises ValueError where that cannot be used."""
    # Streamlit gives each of its loggers a handler of its own and offers no other way to have none.
    streamlit.logger.setup_formatter = _as_all_do
    logs.set_up()
    streamlit.logger.set_log_level(max(logging.root.level, logging.WARNING))
    # It would tell of a page's error a second time, without its number.
    logging.getLogger(streamlit.error_util.__name__).addFilter(_is_no_page_error)


def _as_all_do(logger: logging.Logger) -> None:
    logger.propagate = True


def _is_no_page_error(record: logging.LogRecord) -> bool:
    return record.msg != "Uncaught app execution"


def of_page(error: Exception) -> bool:
    """Streamlit's handler of an error that no page has thought of: the page names it, the log tells it."""
    number = _number()
    _log.error("A page failed.", exc_info=error, extra={"event": number})
    st.error(
        "Something on this page went wrong, through no fault of yours. Your runs go on. Reload the page; if that does "
        f"not help, tell whoever runs this server that it was event {number}.",
        icon=":material/error:",
    )
    return True


async def of_route(request: Request, error: Exception) -> Response:
    """The same for a request that is not for a page; the server logs it with the number, for it goes on to there."""
    number = _number()
    error.add_note(f"event {number}")
    told = headers.fixed(request.url.scheme == "https") | {"Cache-Control": "no-store"}
    return PlainTextResponse(f"Something went wrong here; the log tells it as event {number}.\n", 500, headers=told)


def _number() -> str:
    counters.ERRORS.inc()
    return secrets.token_hex(4)
