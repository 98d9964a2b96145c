"""What the server tells the browser besides the page: which code may run, who may frame it, what it may ask for.

Every answer carries these headers, the ones that report an error included.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# No machine's camera, place or payment has anything to do with training a network; copying and full screen have.
FEATURES = [
    "camera",
    "microphone",
    "geolocation",
    "payment",
    "usb",
    "serial",
    "bluetooth",
    "midi",
    "hid",
    "display-capture",
]
SECURE_FOR = 31_536_000  # seconds that a browser which came by https comes by https again
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def frame_ancestors(environment: Mapping[str, str] = os.environ) -> str:
    """LSTM_LAB_FRAME_ANCESTORS: who may show the page in a frame of his, as addresses with blanks between them."""
    given = " ".join(environment.get("LSTM_LAB_FRAME_ANCESTORS", "").split()) or "'self'"
    if not re.fullmatch(r"[A-Za-z0-9:/.*'\[\]_ -]+", given):
        raise ValueError(
            f"LSTM_LAB_FRAME_ANCESTORS is {given!r}; set it to addresses such as https://lms.example.org, "
            "with blanks between them."
        )
    return given


def script_hash(script: str) -> str:
    """How a policy names an inline script by what is in it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


@cache
def _inline_scripts() -> str:
    """The hashes of the scripts in Streamlit's own index.html, which are the only inline ones that may run."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    return " ".join(map(script_hash, _INLINE.findall(page)))


@cache
def policy(ancestors: str) -> str:
    """The Content-Security-Policy: everything comes from this server, and nothing that was typed is ever run.

    Streamlit imports a component's first lines from a blob that it makes itself, and counts 64-bit numbers in
    WebAssembly; its library of styles writes them into elements, which no hash can name.
    """
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: 'wasm-unsafe-eval' {_inline_scripts()}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors {ancestors}",
        )
    )


def fixed(secure: bool) -> dict[str, str]:
    """The headers of every answer; `secure`: it goes over https."""
    ancestors = frame_ancestors()
    told = {
        "Content-Security-Policy": policy(ancestors),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": ", ".join(f"{feature}=()" for feature in FEATURES),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if ancestors == "'self'":
        told["X-Frame-Options"] = "SAMEORIGIN"
    if secure:
        told["Strict-Transport-Security"] = f"max-age={SECURE_FOR}"
    return told


def _secured(name: bytes, value: bytes) -> bytes:
    """A cookie that goes over https goes over nothing else; Streamlit would not know behind a proxy."""
    return value + b"; Secure" if name == b"set-cookie" and b"secure" not in value.lower() else value


class Headers:
    """Middleware that adds the headers to what the app answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        secure = scope["scheme"] == "https"

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(fixed(secure))
                if secure:
                    message["headers"] = [(name, _secured(name, value)) for name, value in message["headers"]]
            await send(message)

        await self.app(scope, receive, told)
