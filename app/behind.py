"""What is behind the pages, loaded while a browser fetches the first of them: the store, the routes, the engine.

To load them takes longer than all that the first answer needs, and a browser has other things to do meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Match, Router
from starlette.types import Receive, Scope, Send

if TYPE_CHECKING:
    from app.live.hub import Hub

FOLDER, OTHERS = "/lab/", ("/healthz", "/metrics")


class Behind(BaseRoute):
    """Every route of ours as one; who asks before they are there waits for them."""

    def __init__(self) -> None:
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._router: Router | None = None
        self._hub: Hub | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope.get("path", "")
        return (Match.FULL if path.startswith(FOLDER) or path in OTHERS else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self._router if self._router is not None else await asyncio.to_thread(self._load)
        await router(scope, receive, send)

    def _load(self) -> Router:
        with self._lock:
            if self._router is None:
                from app import services, stream
                from app.outside import health

                self._hub = stream.Hub(services.store, services.engine_ready)
                self._router = Router([*stream.routes(self._hub), *health.routes(self._hub)])
            return self._router

    def start(self) -> None:
        """Load all of it, then start the engine. Blocks for seconds."""
        self._load()
        from app import services

        services.start(self._closing)

    async def close(self) -> None:
        """Let every viewer go, and no engine start any more."""
        self._closing.set()
        if self._hub is not None:
            await self._hub.close()

    def end(self) -> None:
        """Stop the engine and let go of the store, once `start` is over. Blocks for seconds."""
        from app import services

        services.close()
