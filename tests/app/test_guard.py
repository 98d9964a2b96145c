"""What the guard is made of: tokens and cookies, the teacher's password, and that no page writes past it."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from app.outside import cookies
from app.people import changes, owning, signing, teaching
from app.people.owning import Identity
from lstm_core.runs import owners
from lstm_core.runs.records import StoreError
from lstm_core.runs.store import RunStore
from tests import loops
from tests.app.lab import do, opened, state

APP = Path(cookies.__file__).parents[1]
READS = {  # of the store: what a page may call from anywhere
    "census", "close", "columns", "configs", "entries", "file", "files", "frames", "get", "history", "kept_steps",
    "list", "load_checkpoint", "nearest_state", "overrides", "pulse", "queue", "queue_place", "race", "races",
    "runners", "scalars", "size", "snapshot", "snapshot_steps", "stacked", "stamp", "thrown_owner", "waiting",
    "weights",
}  # fmt: skip
KEEPS_FILES = {"keep_file"}  # what somebody brings changes nobody's run
MAY_WRITE = {"changes.py": None, "services.py": {"create", "rename"}}  # services begins the example, which is nobody's


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


def store_calls(path: Path) -> set[str]:
    """The names of the store's methods that a file calls on anything but a module of the project."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            base = node.func.value
            on_store = (isinstance(base, ast.Name) and "store" in base.id) or (
                isinstance(base, ast.Call) and ast.unparse(base.func).endswith("store")
            )
            if on_store:
                found.add(node.func.attr)
    return found


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: path.name)
def test_no_page_writes_past_the_guard(path: Path) -> None:
    called = store_calls(path) & public(RunStore)
    if path.name == "changes.py":
        return
    assert called - READS - KEEPS_FILES <= (MAY_WRITE.get(path.name) or set()), path


def test_the_guard_is_what_writes() -> None:
    writes = store_calls(APP / "people" / "changes.py") & public(RunStore) - READS
    assert {"create", "fork", "create_race", "desire", "extend", "request_override", "rename"} <= writes
    assert {"delete", "restore", "remove", "stop_race", "add_seeds", "delete_race"} <= writes


def test_the_store_keeps_a_hash() -> None:
    token = owners.new_token()
    assert owners.is_token(token)
    assert owners.owner_of(token) == hashlib.sha256(token.encode()).hexdigest()
    assert len({owners.new_token() for _ in range(100)}) == 100


def test_nobody_is_not_the_same_as_nobody() -> None:
    one, other = owners.owner_of("a"), owners.owner_of("b")
    assert owners.same(one, one)
    assert not owners.same(one, other)
    assert not owners.same(None, None)
    assert not owners.same(one, None)


def test_a_person_is_told_from_another_one_by_both_issuer_and_subject() -> None:
    pairs = [("https://a", "1"), ("https://a", "2"), ("https://b", "1"), ("https://a 1", ""), ("", "https://a 1")]
    assert len({owners.owner_of_person(*pair) for pair in pairs}) == len(pairs)
    assert owners.owner_of_person("https://a", "1") == owners.owner_of_person("https://a", "1")


@pytest.mark.parametrize(
    ("identity", "owner", "may"),
    [
        (Identity("me"), "me", True),
        (Identity("me"), "you", False),
        (Identity("me"), None, False),
        (Identity("me", local=True), None, True),
        (Identity("me", local=True), "you", False),
        (Identity("me", teacher=True), "you", True),
        (Identity("me", teacher=True), None, True),
    ],
)
def test_who_may_change_what(identity: Identity, owner: str | None, may: bool) -> None:
    assert identity.may_change(owner) is may


def connection(peer: str = "127.0.0.1", scheme: str = "http", **headers: str) -> HTTPConnection:
    given = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in ({"host": "localhost:1"} | headers).items()
    ]
    return HTTPConnection(
        {"type": "http", "scheme": scheme, "path": "/", "headers": given, "client": (peer, 5), "server": ("x", 1)}
    )


@pytest.mark.parametrize(
    ("peer", "headers", "local"),
    [
        ("127.0.0.1", {}, True),
        ("127.0.0.1", {"host": "127.0.0.1:8501"}, True),
        ("::1", {"host": "[::1]:8501"}, True),
        ("::1", {"host": "[::1]"}, True),
        ("::ffff:127.0.0.1", {"host": "LOCALHOST"}, True),
        ("192.168.1.4", {}, False),
        ("127.0.0.1", {"host": "lab.example.org"}, False),
        ("127.0.0.1", {"host": "localhost.example.org:80"}, False),
        ("127.0.0.1", {"host": "127.0.0.1.example.org"}, False),
        ("127.0.0.1", {"host": ""}, False),
        ("127.0.0.1", {"x_forwarded_for": "127.0.0.1"}, False),
        ("127.0.0.1", {"forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", {"via": "1.1 proxy"}, False),
        ("127.0.0.1", {"x_real_ip": "127.0.0.1"}, False),
        ("", {}, False),
    ],
)
def test_who_sits_at_the_servers_own_machine(peer: str, headers: Mapping[str, str], local: bool) -> None:
    assert cookies.is_local(connection(peer, **headers)) is local


def test_a_cookie_goes_over_tls_alone_where_there_is_tls() -> None:
    assert not cookies.is_secure(connection())
    assert cookies.is_secure(connection(scheme="https"))
    assert cookies.is_secure(connection(x_forwarded_proto="https, http"))


async def _answer(path: str, media: str, cookie: str = "", **headers: str) -> tuple[dict[bytes, bytes], dict[str, Any]]:
    """The headers of the answer to a request through the middleware, and the scope that the app was given."""
    known: dict[str, Any] = {}
    sent: dict[bytes, bytes] = {}

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        known.update(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", media.encode())]})

    async def send(message: Any) -> None:
        sent.update(dict(message["headers"]))

    async def receive() -> Any:
        return {"type": "http.request"}

    given = connection(**({"cookie": f"{cookies.NAME}={cookie}"} if cookie else {}), **headers).scope
    await cookies.Cookies(app)({**given, "path": path, "method": "GET"}, receive, send)
    return sent, known


@pytest.mark.parametrize("wrong", ["", "short", "x" * 44, "é" * 43, "a b" + "c" * 40])
def test_a_document_brings_a_cookie_to_whoever_has_none(wrong: str) -> None:
    sent, known = loops.run(_answer("/runs", "text/html; charset=utf-8", wrong))
    name, _, rest = sent[b"set-cookie"].decode().partition("=")
    token, *attributes = rest.split("; ")
    assert name == cookies.NAME
    assert owners.is_token(token)
    assert attributes == ["Path=/", "Max-Age=31536000", "HttpOnly", "SameSite=Lax"]
    assert sent[b"cache-control"] == b"no-store"
    assert b"x-lstm-lab-owner" not in dict(known["headers"])


def test_a_cookie_that_is_there_stays() -> None:
    token = owners.new_token()
    sent, known = loops.run(_answer("/", "text/html", token))
    assert b"set-cookie" not in sent
    assert dict(known["headers"])[b"x-lstm-lab-owner"] == owners.owner_of(token).encode()


@pytest.mark.parametrize("path", ["/lab/runs/x/export/report.html", "/static/a.html", "/_stcore/health"])
def test_nothing_but_a_page_brings_a_cookie(path: str) -> None:
    assert b"set-cookie" not in loops.run(_answer(path, "text/html"))[0]
    assert b"set-cookie" not in loops.run(_answer("/", "text/javascript"))[0]


def test_nobody_says_himself_who_he_is() -> None:
    claimed = {"x_lstm_lab_owner": "somebody", "X_LSTM_LAB_LOCAL": "1", "x_forwarded_for": "10.0.0.1"}
    _, known = loops.run(_answer("/", "text/html", **claimed))
    ours = [(name, value) for name, value in known["headers"] if name.lower().startswith(b"x-lstm")]
    assert ours == [(b"x-lstm-lab-local", b"0")]


def test_headers_that_the_server_trusts_already_stay_trusted() -> None:
    assert cookies.trusted({"X-Mail": "email"}) == {"X-Mail": "email", **cookies.HEADERS}


def test_guessing_a_teachers_password_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setenv("LSTM_LAB_TEACHER_PASSWORD", "a long sentence")
    monkeypatch.setattr(teaching.time, "monotonic", lambda: now[0])
    door = teaching.Door()
    said = []
    for _ in range(2 * 3600):  # a guess every half second for an hour, of however many pages
        with pytest.raises(StoreError) as refusal:
            door.enter("guess")
        said.append(str(refusal.value))
        now[0] += 0.5
    looked_at = said.count("This is not the teacher's password.")
    assert looked_at <= teaching.FREE + 5 + 3600 / teaching.LONGEST
    assert said[: teaching.FREE] == ["This is not the teacher's password."] * teaching.FREE
    assert "Try again in" in said[-1]
    now[0] += teaching.LONGEST
    door.enter("a long sentence")
    for _ in range(teaching.FREE):  # all is as at first
        with pytest.raises(StoreError, match="not the teacher's"):
            door.enter("guess")


def test_without_a_password_nobody_is_a_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LSTM_LAB_TEACHER_PASSWORD", raising=False)
    assert not teaching.offered()
    with pytest.raises(StoreError):
        teaching.Door().enter("")


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Streamlit knows of whoever opened the page; to be changed by the test. Comes after `store`."""
    known: dict[str, Any] = {cookies.OWNER: owners.owner_of("one"), cookies.LOCAL: "0"}
    monkeypatch.setattr(owning, "connection", lambda: known)
    return known


def test_the_runs_of_a_person_follow_them_to_every_browser(store: RunStore, somebody: dict[str, Any]) -> None:
    somebody |= {"is_logged_in": True, "iss": "https://id.example.org", "sub": "7", "name": "Ada"}
    test = do(opened(), {"name": "train"})
    run = state(test).run
    assert run is not None
    assert store.get(run).owner == owners.owner_of_person("https://id.example.org", "7")
    somebody[cookies.OWNER] = owners.owner_of("another browser")
    do(opened(run=run), {"name": "pause", "run": run})
    assert store.get(run).desired == "paused"
    somebody["sub"] = "8"
    refused = do(opened(run=run), {"name": "stop", "run": run})
    assert "belongs to someone else" in state(refused).refusals[0]
    assert store.get(run).desired == "paused"


def test_where_signing_in_is_required_nobody_else_trains(
    store: RunStore, somebody: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTM_LAB_LOGIN", "required")
    test = do(opened(), {"name": "train"})
    assert "sign in" in state(test).refusals[0]
    assert store.list() == []
    somebody |= {"is_logged_in": True, "iss": "https://id.example.org", "sub": "7"}
    assert not signing.missing()
    assert state(do(opened(), {"name": "train"})).run is not None


@pytest.mark.usefixtures("store", "somebody")
def test_what_stops_everything_asks_for_a_teacher() -> None:
    with pytest.raises(owning.NotYours, match="teacher"):
        changes.stop_everything()
