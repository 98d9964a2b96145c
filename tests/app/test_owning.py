"""Nobody touches what is not theirs: against the real server, with sessions as browsers have them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from app import stream
from app.live.hub import Hub
from lstm_core.config import RunConfig
from lstm_core.race_plan import plan
from lstm_core.runs.owners import new_token, owner_of
from lstm_core.runs.records import Run
from lstm_core.runs.store import RunStore
from tests import loops
from tests.serving import Server, serve
from tests.visitors import OWNER, Visitor, visit

CHANGES = ("pause", "resume", "stop", "step", "extend", "override", "rename", "pin", "unpin", "delete")
FOREIGN = {"X-Forwarded-For": "203.0.113.7"}  # somebody at another machine, by way of a proxy
REFUSED = "Refused: "
CONFIG = RunConfig().replace(**{"training.steps": 200, "model.hidden_size": 8})
WEAK = "correct horse"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trains nothing, with a password for its teacher; what it printed is looked through at the end."""
    folder = tmp_path_factory.mktemp("guarded")
    with serve(folder, workers=0, environment={"LSTM_LAB_TEACHER_PASSWORD": WEAK}) as running:
        yield running
    for secret in TOKENS:
        assert secret not in running.printed()
        assert owner_of(secret) not in running.printed()
    assert WEAK not in running.printed()


TOKENS: list[str] = []  # every token that these tests used


def token() -> str:
    TOKENS.append(new_token())
    return TOKENS[-1]


@pytest.fixture
def store(guarded: Server) -> Iterator[RunStore]:
    opened = guarded.store()
    yield opened
    opened.close()


@contextlib.asynccontextmanager
async def stranger(server: Server, cookie: str | None = None, **more: Any) -> AsyncIterator[Visitor]:
    """Somebody at another machine; without a cookie in a browser that keeps none."""
    async with visit(server.url, cookie=cookie, headers=FOREIGN, keeps=cookie is not None, **more) as visitor:
        yield visitor


def refused(server: Server) -> int:
    return server.printed().count(REFUSED)


def wish(name: str, run: str) -> dict[str, Any]:
    return {"name": name, "run": run, "n": 5, "field": "learning_rate", "value": 0.5}


def as_it_was(store: RunStore, runs: list[Run]) -> None:
    """Every run as before, and nothing asked of its worker."""
    for run in runs:
        assert store.get(run.id) == run


def test_two_hundred_tries_on_the_runs_of_somebody_else_change_nothing(guarded: Server, store: RunStore) -> None:
    mine = owner_of(token())
    ids = [store.create(CONFIG, owner=mine, desired=desired) for desired in ("running", "paused", "stopped")]
    ids += [store.create(CONFIG), store.create_race(plan(CONFIG, "training.clip", ["none", "norm"], [1]), mine)]
    *own, nobodys, race = ids
    thrown = store.create(CONFIG, owner=mine)
    store.delete(thrown)
    before = [store.get(run) for run in (*own, nobodys)]
    racers = [store.get(runner.run) for runner in store.runners(race)]
    logged = refused(guarded)

    async def main() -> int:
        tries = 0
        for cookie in (token(), "forged", None, owner_of("guessed")[:43]):
            async with stranger(guarded, cookie, page="runs") as other:
                for name in CHANGES:
                    await other.component("runs", {**wish(name, ""), "runs": [*own, nobodys]})
                    tries += len(own) + 1
                for name in ("restore", "remove"):
                    await other.component("runs", {"name": name, "runs": [thrown]})
                    tries += 1
                await other.go("compare", {"race": race})
                for name in ("stop", "seeds", "delete"):
                    await other.component("race", {"name": name, "race": race, "n": 1})
                    tries += 1
                assert other.exceptions() == []
        async with stranger(guarded, token(), query={"run": own[0]}) as other:
            for name in CHANGES:
                await other.component("board", wish(name, own[0]))
                tries += 1
            assert other.exceptions() == []
            assert any("belongs to someone else" in text for text in other.texts())
        return tries

    tries = loops.run(main())
    assert refused(guarded) - logged == tries
    as_it_was(store, [*before, *racers])
    assert len(store.runners(race)) == 2
    assert store.thrown_owner(thrown) == mine
    direct = loops.run(straight(guarded, own[0], race))
    as_it_was(store, [*before, *racers])
    assert tries + direct >= 200


async def straight(server: Server, run: str, race: str) -> int:
    """Ask every route of the server for a change by every other method; returns how many requests those were."""
    paths = [
        route.path for route in stream.routes(Hub(server.store)) if "websocket" not in type(route).__name__.lower()
    ]  # type: ignore[attr-defined]
    given = {"{id}": run, "{step}": "0", "{sample}": "0", "{array:path}": "x", "{file}": "scalars.csv"}
    async with httpx.AsyncClient(base_url=server.url, cookies={OWNER: token()}) as http:
        asked = 0
        for path, method in itertools.product(paths, ("POST", "PUT", "PATCH", "DELETE")):
            for name, value in ({**given, "{id}": race} if "/races/" in path else given).items():
                path = path.replace(name, value)
            answer = await http.request(method, path, json={"desired": "stopped", "name": "mine"})
            assert answer.status_code == 405, (method, path)
            asked += 1
    return asked


def test_what_the_owner_sent_does_nothing_in_another_session(guarded: Server, store: RunStore) -> None:
    cookie = token()
    run = store.create(CONFIG, owner=owner_of(cookie))

    async def main() -> None:
        async with stranger(guarded, cookie, query={"run": run}) as owner, stranger(guarded, token()) as other:
            for name in ("pause", "resume", "rename"):
                await owner.component("board", wish(name, run))
            assert store.get(run).name == "0.5"
            before = store.get(run)
            await other.replay(owner.sent)
            assert other.url_query["run"] == run
            assert store.get(run) == before
            await owner.component("board", wish("stop", run))
            assert store.get(run).desired == "stopped"

    loops.run(main())


def test_a_session_is_nobody_elses_who_knows_its_id(guarded: Server, store: RunStore) -> None:
    cookie = token()
    run = store.create(CONFIG, owner=owner_of(cookie))

    async def main() -> None:
        async with stranger(guarded, cookie, query={"run": run}) as owner:
            for other in (token(), None, "forged"):
                async with stranger(guarded, other, query={"run": run}, session=owner.session) as thief:
                    assert thief.session != owner.session
                    await thief.component("board", wish("stop", run))
                    assert store.get(run).desired == "running"
            await owner.component("board", wish("pause", run))  # the line of the owner was never cut
            assert store.get(run).desired == "paused"
            known = owner.session
        async with stranger(guarded, cookie, query={"run": run}, session=known) as again:
            assert again.session == known
            await again.component("board", wish("stop", run))
            assert store.get(run).desired == "stopped"

    loops.run(main())


def test_what_is_made_belongs_to_whoever_makes_it(guarded: Server, store: RunStore) -> None:
    one, two = token(), token()
    source = store.create(CONFIG, owner=owner_of(one))

    async def main() -> None:
        async with stranger(guarded, two, query={"task": "recall"}) as other:
            await other.press("Train")
            assert store.get(other.url_query["run"]).owner == owner_of(two)
            await asyncio.sleep(1.1)  # a second press within a second would be the first one's
            await other.component("board", {"name": "reseed", "run": source})
            made = store.get(other.url_query["run"])
            assert (made.parent, made.owner) == (source, owner_of(two))
            await other.go("compare", {"vary": "training.clip", "values": "none,norm", "seeds": "1"})
            await other.press("Start the race")
            race = store.race(other.url_query["race"])
            assert race.owner == owner_of(two)
            assert {store.get(runner.run).owner for runner in store.runners(race.id)} == {owner_of(two)}

    loops.run(main())


def test_without_a_cookie_control_lasts_as_long_as_the_tab(guarded: Server, store: RunStore) -> None:
    async def main() -> None:
        async with stranger(guarded, query={"task": "recall"}) as tab:
            assert sum("until this tab is closed" in text for text in tab.toasts) == 1
            await tab.press("Train")
            run = tab.url_query["run"]
            await tab.component("board", wish("pause", run))
            assert store.get(run).desired == "paused"
            assert sum("until this tab is closed" in text for text in tab.toasts) == 1
        async with stranger(guarded, query={"run": run}) as later:
            await later.component("board", wish("stop", run))
            assert store.get(run).desired == "paused"

    loops.run(main())


def test_nothing_that_a_page_is_sent_tells_an_owner(guarded: Server, store: RunStore) -> None:
    cookie = token()
    run = store.create(CONFIG, owner=owner_of(cookie))

    async def main() -> str:
        async with stranger(guarded, cookie, query={"run": run}) as owner:
            seen = "".join(str(element.proto) for element in owner.elements)
            for page in ("runs", "compare", "lessons"):
                await owner.go(page)
                seen += "".join(str(element.proto) for element in owner.elements)
        async with httpx.AsyncClient(base_url=guarded.url, cookies={OWNER: cookie}) as http:
            for path in ("/lab/runs", f"/lab/runs/{run}/poll", f"/lab/runs/{run}/export/settings.json", "/"):
                answer = await http.get(path)
                seen += answer.text + str(answer.headers)
        return seen

    seen = loops.run(main())
    assert run in seen
    for secret in (cookie, owner_of(cookie), owner_of(cookie)[:16]):
        assert secret not in seen


def test_a_teacher_controls_every_run_of_the_class(guarded: Server, store: RunStore) -> None:
    runs = [store.create(CONFIG, owner=owner_of(token())) for _ in range(3)]

    async def main() -> None:
        async with stranger(guarded, token(), page="account") as teacher:
            await enter(teacher, "guess")
            assert any("This is not the teacher" in text for text in teacher.texts())
            await teacher.press("Sign in as teacher")
            await teacher.go("runs")
            await teacher.component("runs", {"name": "pause", "runs": runs})
            assert [store.get(run).desired for run in runs] == ["running"] * 3
            await teacher.go("account")
            await enter(teacher, WEAK)
            assert all(WEAK not in str(element.proto) for element in teacher.elements)
            await teacher.go("runs")
            await teacher.component("runs", {"name": "pause", "runs": runs[:1]})
            await teacher.component("runs", {"name": "delete", "runs": runs[1:2]})
            assert store.get(runs[0]).desired == "paused"
            assert store.thrown_owner(runs[1]) is not None
            await teacher.go("account")
            await teacher.press("Stop them all")
            assert {run.desired for run in store.list() if run.status not in ("finished", "failed")} == {"stopped"}
            await teacher.press("Sign out as teacher")
            store.desire(runs[0], "running")
            await teacher.go("runs")
            await teacher.component("runs", {"name": "stop", "runs": runs[:1]})
            assert store.get(runs[0]).desired == "running"

    loops.run(main())


async def enter(teacher: Visitor, password: str) -> None:
    await teacher.set("Password", password)
    await teacher.press("Sign in as teacher")
