"""How long the server waits for somebody to say what he wants."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

ASK_WITHIN = 10.0  # seconds


class Patient(H11Protocol):
    """uvicorn's own, which waits for ever for the rest of a request that has begun; this one does not.

    Else a program that opens connections and writes a byte now and then would use up all that there may be.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(ASK_WITHIN, self._look, None)

    def _look(self, before: object) -> None:
        """End the connection if it is still where it was at the last look: between two requests."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        asked = self.cycle
        between = asked is None or asked.response_complete
        if between and asked is before:
            self.transport.close()
        else:
            self.loop.call_later(ASK_WITHIN, self._look, asked if between else self)
