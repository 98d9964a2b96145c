"""A visitor without a browser: one Streamlit session over its own WebSocket, as cheap as a class of them must be.

    async with visit(server.url) as visitor:
        await visitor.set("Task", "Adding problem")
        await visitor.press("Train")
        async for arrival in visitor.watch(visitor.url_query["run"]):
            ...

It speaks what Streamlit's page speaks (`streamlit.proto`): a BackMsg asks for a rerun and carries the value of every
widget, ForwardMsgs bring the elements, each with its place in the tree. What Python cannot tell, how it looks and what
its scripts do, is left to the tests with a browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from lstm_core.runs import telemetry
from tests.elements import Element, reported, state_of

WAIT = 60.0  # seconds until a page that is not drawn counts as broken
OWNER = "lstm_lab_owner"  # the cookie that tells the server whose runs these are
HALTED = (ForwardMsg.FINISHED_EARLY_FOR_RERUN,)  # another rerun follows by itself
TEXTS = {"markdown": "body", "html": "body", "text": "body", "heading": "body", "alert": "body", "code": "code_text"}


@dataclass(frozen=True)
class Arrival:
    """A message of `/lab/stream`: what it says, or the frame it is, and when it came (`time.perf_counter`)."""

    at: float
    said: dict[str, Any] = field(default_factory=dict)
    frame: telemetry.Frame | None = None

    @property
    def kind(self) -> str:
        return str(self.frame.kind if self.frame else self.said["type"])


class Visitor:
    """One tab. What was sent is kept in `sent`, whole, so that another session can be made to replay it."""

    def __init__(self, url: str, page: str, query: Mapping[str, str], http: httpx.AsyncClient) -> None:
        self.url, self.page, self.http = url.rstrip("/"), page, http
        self.url_query = dict(query)
        self.sent: list[bytes] = []
        self.toasts: list[str] = []
        self.finished = 0  # reruns that came to their end
        self.redirect = ""  # where the page was sent to sign in or out
        self.session = ""  # the id by which a page takes its session up again when its line was cut
        self._at: dict[tuple[int, ...], Element] = {}
        self._values: dict[str, WidgetState] = {}  # of every widget, as the page reports them
        self._cache: dict[str, ForwardMsg] = {}
        self._pages: dict[str, str] = {}  # script → page
        self._script, self._run, self._drawn_fragments = "", 0, set[str]()
        self._news = asyncio.Event()

    @property
    def headers(self) -> dict[str, str]:
        """What a browser sends along with every socket that it opens."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        return {"Origin": origin, **dict(self.http.headers), **({"Cookie": cookies} if cookies else {})}

    @property
    def elements(self) -> list[Element]:
        """All that is on the page, in its order."""
        return [self._at[place] for place in sorted(self._at)]

    def all(self, kind: str) -> list[Element]:
        return [element for element in self.elements if element.kind == kind]

    def find(self, words: str) -> Element:
        """The first widget with this label or key, or component of this name."""
        for element in self.elements:
            if element.id and element.called(words):
                return element
        known = sorted({element.label or element.name for element in self.elements if element.id})
        raise AssertionError(f"there is no “{words}” on the page; there are {known}")

    def texts(self) -> list[str]:
        """Everything the page says outside of widgets, toasts of any rerun included."""
        shown = [element for element in self.elements if element.kind in TEXTS]
        return [str(getattr(element.proto, TEXTS[element.kind])) for element in shown] + self.toasts

    def exceptions(self) -> list[str]:
        """Every exception that the page shows."""
        return [f"{shown.proto.type}: {shown.proto.message}" for shown in self.all("exception")]

    async def press(self, words: str) -> None:
        """Press a button."""
        await self.rerun(WidgetState(id=self.find(words).id, trigger_value=True))

    async def set(self, words: str, value: Any) -> None:
        """Give a widget a value: of a choice the option's words, of many a list of them, else a number, text, bool."""
        element = self.find(words)
        self._values[element.id] = state_of(element, value)
        await self.rerun()

    async def component(self, words: str, value: Any, event: str = "action") -> None:
        """Let a component trigger an event, as the board does with what its buttons ask for."""
        payload = json.dumps([{"event": event, "value": value}])
        name = f"$$STREAMLIT_INTERNAL_KEY_{self.find(words).id}__events"
        await self.rerun(WidgetState(id=name, json_trigger_value=payload))

    async def go(self, page: str, query: Mapping[str, str] | None = None) -> None:
        """Open another page of the navigation in the same session."""
        self._script = next(script for script, name in self._pages.items() if name == page)
        self.page, self.url_query = page, dict(query or {})
        await self.rerun()

    async def rerun(self, *triggers: WidgetState) -> None:
        """Ask for a rerun with the values of all widgets, and wait until it has come to its end."""
        await self.send(self.message(*triggers))

    def message(self, *triggers: WidgetState) -> bytes:
        """What asks for a rerun."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = urlencode(self.url_query)
        state.page_script_hash = self._script
        if not self._script:
            state.page_name = self.page
        state.context_info.url = f"{self.url}/{self.page}"
        state.context_info.timezone, state.context_info.locale = "UTC", "en"
        for element in self.elements:
            if (value := self._values.get(element.id)) is not None:
                state.widget_states.widgets.append(value)
        state.widget_states.widgets.extend(triggers)
        state.cached_message_hashes.extend(self._cache)
        return bytes(message.SerializeToString())

    async def send(self, message: bytes) -> None:
        """Send a message as it is, and wait until the rerun that it asks for has come to its end."""
        before = self.finished
        self.sent.append(message)
        await self._socket.send(message)
        await self.until(lambda: self.finished > before)

    async def replay(self, messages: Iterable[bytes]) -> None:
        """Send what another session has sent."""
        for message in messages:
            await self.send(message)

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait for something that messages bring; raises ConnectionClosed where no more can come."""
        async with asyncio.timeout(WAIT):
            while not ready():
                if self._reading.done():
                    await self._socket.recv()
                self._news.clear()
                await self._news.wait()

    async def watch(self, run_id: str, sample: int = 0) -> AsyncGenerator[Arrival]:
        """What a viewer of a run receives, until the caller has enough."""
        address = f"{self.url.replace('http', 'ws', 1)}/lab/stream"
        async with connect(address, additional_headers=self.headers, max_size=None, compression=None) as socket:
            await socket.send(json.dumps({"watch": run_id, "sample": sample}))
            async for message in socket:
                at = time.perf_counter()
                if isinstance(message, str):
                    yield Arrival(at, said=json.loads(message))
                else:
                    yield Arrival(at, frame=telemetry.decode(message))

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Visitor]:
        """Fetch the document, open the socket, and wait for the first rerun."""
        document = await self.http.get(f"{self.url}/{self.page}", params=self.url_query)
        document.raise_for_status()
        token = self.http.cookies.get("_streamlit_xsrf") or "PLACEHOLDER_AUTH_TOKEN"
        address = f"{self.url.replace('http', 'ws', 1)}/_stcore/stream"
        spoken = [Subprotocol(part) for part in ("streamlit", token, self.session) if part]
        async with connect(
            address, additional_headers=self.headers, subprotocols=spoken, max_size=None, compression=None
        ) as socket:
            self._socket = socket
            self._reading = asyncio.create_task(self._read(socket), name="visitor")
            try:
                await self.rerun()
                yield self
            finally:
                self._reading.cancel()
                await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for data in socket:
                message = ForwardMsg()
                assert isinstance(data, bytes)
                message.ParseFromString(data)
                self._take(message)
                self._news.set()
        finally:
            self._news.set()

    def _take(self, message: ForwardMsg) -> None:
        if message.WhichOneof("type") == "ref_hash":
            place, message = message.metadata, self._cache[message.ref_hash]
            message.metadata.delta_path[:] = place.delta_path
        elif message.metadata.cacheable:
            self._cache[message.hash] = message
        match message.WhichOneof("type"):
            case "new_session":
                self._run += 1
                self.session = message.new_session.initialize.session_id
                self._script = message.new_session.page_script_hash
                self._drawn_fragments.clear()
            case "auth_redirect":
                self.redirect = message.auth_redirect.url
            case "navigation":
                self._pages = {page.page_script_hash: page.url_pathname for page in message.navigation.app_pages}
                self._script = message.navigation.page_script_hash
                self.page = self._pages.get(self._script, self.page)
            case "page_info_changed":
                self.url_query = dict(parse_qsl(message.page_info_changed.query_string, keep_blank_values=True))
            case "delta":
                self._draw(message)
            case "script_finished" if message.script_finished not in HALTED:
                self._sweep(whole=message.script_finished != ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
                self.finished += 1

    def _draw(self, message: ForwardMsg) -> None:
        place, delta = tuple(message.metadata.delta_path), message.delta
        kind: str
        proto: Any
        if delta.WhichOneof("type") == "add_block":
            kind = delta.add_block.WhichOneof("type") or "block"
            proto, name = getattr(delta.add_block, kind, delta.add_block), delta.add_block.id
        elif delta.WhichOneof("type") == "new_element":
            kind = delta.new_element.WhichOneof("type") or "empty"
            proto = getattr(delta.new_element, kind)
            name = getattr(proto, "id", "")
            for below in [other for other in self._at if other[: len(place)] == place]:
                del self._at[below]
        else:
            return
        self._drawn_fragments.add(delta.fragment_id)
        element = self._at[place] = Element(kind, proto, str(name), delta.fragment_id, self._run)
        if kind == "toast":
            self.toasts.append(proto.body)
        if name and (name not in self._values or getattr(proto, "set_value", False)):
            value = reported(element)
            self._values |= {} if value is None else {name: value}

    def _sweep(self, whole: bool) -> None:
        """Take away what this rerun has not drawn again."""
        for place, element in list(self._at.items()):
            if element.run != self._run and (whole or element.fragment in self._drawn_fragments - {""}):
                del self._at[place]
        present = {element.id for element in self._at.values()}
        self._values = {name: value for name, value in self._values.items() if name in present}


@contextlib.asynccontextmanager
async def visit(
    server_url: str,
    page: str = "",
    query: Mapping[str, str] | None = None,
    cookie: str | None = None,
    headers: Mapping[str, str] | None = None,
    session: str = "",
    keeps: bool = True,
) -> AsyncIterator[Visitor]:
    """Open a page of the server; `cookie` is the token of an owner who has been here before.

    With `keeps` false the browser takes no cookie.

    `session` is the id of one to take up, as a page does when its line was cut.

    `headers` go along with the document and with every socket, in place of a browser's own where they have their name.
    """
    async with httpx.AsyncClient(timeout=WAIT, follow_redirects=True) as http:
        for name in [*http.headers]:
            del http.headers[name]
        http.headers.update(headers or {})
        if not keeps:
            http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if cookie is not None:
            http.cookies.set(OWNER, cookie, domain=urlsplit(server_url).hostname or "")
        visitor = Visitor(server_url, page, query or {}, http)
        visitor.session = session
        async with visitor.opened():
            yield visitor
