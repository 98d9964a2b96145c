"""Signing in with a real OpenID Connect provider: a person's runs follow them from browser to browser."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from lstm_core.runs.owners import owner_of_person
from tests import loops
from tests.provider import SECRET, Provider, provide
from tests.serving import Server, serve
from tests.visitors import Visitor


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with provide() as running:
        yield running


@pytest.fixture(scope="module")
def signing(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that trains nothing and wants everybody who would train to sign in."""
    folder = tmp_path_factory.mktemp("signing")
    (folder / ".streamlit").mkdir()
    (folder / ".streamlit" / "secrets.toml").write_text(provider.secrets)
    with serve(folder, workers=0, environment={"LSTM_LAB_LOGIN": "required"}) as running:
        yield running
    assert SECRET not in running.printed()


class Browser:
    """A browser: what it opens has its cookies."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.AsyncClient(follow_redirects=True, timeout=60)
        for name in [*self.http.headers]:
            del self.http.headers[name]  # they would go along with the sockets

    @contextlib.asynccontextmanager
    async def tab(self, page: str = "", **query: str) -> AsyncIterator[Visitor]:
        await self.http.get(f"{self.server.url}/_stcore/health")  # brings the cookie against forged requests
        async with Visitor(self.server.url, page, query, self.http).opened() as visitor:
            yield visitor

    async def follow(self, visitor: Visitor) -> None:
        """Go where the page sends the browser, to the provider and back."""
        answer = await self.http.get(f"{self.server.url}{visitor.redirect}")
        assert answer.status_code == 200
        assert urlsplit(str(answer.url)).path == "/"


def test_a_persons_runs_follow_them(signing: Server, provider: Provider) -> None:
    store = signing.store()

    async def main() -> None:
        home, school = Browser(signing), Browser(signing)
        async with home.tab(task="recall") as tab:
            await tab.press("Train")
            assert any("needs that you sign in" in text for text in tab.texts())
            assert "run" not in tab.url_query
        assert [run.name for run in store.list()] == ["Example: recall with chrono"]
        for browser in (home, school):
            async with browser.tab("account") as tab:
                await tab.press("Sign in")
                await browser.follow(tab)
        async with home.tab(task="recall") as tab:
            await tab.press("Train")
            run = tab.url_query["run"]
            assert store.get(run).owner == owner_of_person(provider.url, "1")
        async with school.tab(run=run) as tab:
            await tab.component("board", {"name": "pause", "run": run})
            assert store.get(run).desired == "paused"
        async with school.tab("account") as tab:
            assert any("Ada" in text for text in tab.texts())
            await tab.press("Sign out")
            await school.follow(tab)
        provider.person = ("2", "Grace")
        async with school.tab("account") as tab:
            await tab.press("Sign in")
            await school.follow(tab)
        async with school.tab(run=run) as tab:
            await tab.component("board", {"name": "stop", "run": run})
            assert store.get(run).desired == "paused"
        for browser in (home, school):
            await browser.http.aclose()

    loops.run(main())
    store.close()
