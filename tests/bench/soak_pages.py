"""What the pages of the soak do, each as a person would, in turns without an end; and who keeps the runs coming.

A wait that takes too long is told and the page opened afresh: the soak goes on, and its report names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlencode

from playwright.async_api import Error, Page

from lstm_core.config import RunConfig
from lstm_core.runs.records import OVER, RunNotFound, StoreError
from lstm_core.runs.store import RunStore

SMALL = {"task.length": 20, "model.hidden_size": 16, "training.steps": 400, "training.batch_size": 32}
TASKS = ("recall", "adding", "sine", "tagging", "brackets", "dates")
WAITING, KEPT = 3, 12  # how many runs of nobody wait for a turn, and how many that are over are kept
THROWN = 60.0  # seconds until one that was thrown away is gone for good: else the store would only grow
ONE_BY_ONE = 4.0  # seconds between the first pages that are opened
OVER_WORDS = ("finished", "finished early", "stopped", "failed")


@dataclass
class Tab:
    """One page, and what went wrong there."""

    page: Page
    url: str
    store: RunStore
    place: int
    troubles: list[str] = field(default_factory=list)

    async def open(self, path: str = "", query: Mapping[str, object] = MappingProxyType({})) -> None:
        await self.page.goto(f"{self.url}/{path}?{urlencode(query)}")

    async def word(self, within: str = ".lab-state") -> str:
        shown = self.page.locator(f"{within} .lab-word").first
        return await shown.inner_text() if await shown.count() else ""

    async def over(self, within: str = ".lab-state") -> None:
        """Wait until what is shown has come to its end, however long the others keep the workers busy."""
        while await self.word(within) not in OVER_WORDS:
            await asyncio.sleep(2)

    async def unfold(self) -> None:
        """Open every group of panels that is closed; the first closed one is another one each time."""
        closed = self.page.locator(".lab-groups button[aria-expanded=false]:visible")
        for _ in range(await closed.count()):
            await closed.first.click()
            await asyncio.sleep(1)

    def some_run(self, over: bool) -> str:
        """The newest run that is over, or one that is not and has something to see."""
        runs = [run for run in self.store.list() if (run.status in OVER) == over and run.step >= 0]
        return runs[0].id if runs else self.store.list(limit=1)[0].id


async def train(tab: Tab) -> None:
    """Press Train again and again on one page, every second time with all panels open."""
    await tab.open(query={**SMALL, "training.seed": tab.place})
    await tab.page.locator(".st-key-start button:not([disabled])").wait_for()
    while True:
        await tab.page.locator(".st-key-start button").click()
        await asyncio.sleep(4)
        if tab.place % 2:
            await tab.unfold()
        await tab.over()


async def race(tab: Tab) -> None:
    """A race, more seeds for it, and it goes with its runs."""
    settings = {**SMALL, "training.steps": 150, "vary": "init.preset", "values": "pytorch,chrono", "seeds": 2}
    while True:
        await tab.open("compare", settings)
        await tab.page.get_by_role("button", name="Start the race", exact=True).click()
        await tab.page.wait_for_url("**race=**")
        for more in (True, False):
            await asyncio.sleep(4)
            await tab.over(".race .lab-state")
            if more:
                await tab.page.locator(".race").get_by_role("button", name="Add seeds", exact=True).click()
        for name in ("Delete", "Delete it with its runs?"):
            await tab.page.locator(".race").get_by_role("button", name=name, exact=True).click()
        await asyncio.sleep(2)


async def list_runs(tab: Tab) -> None:
    """The list of runs, which changes by itself."""
    await tab.open("runs")
    while True:
        await asyncio.sleep(5)


async def present(tab: Tab) -> None:
    """A run that does not end, shown to a class."""
    config = RunConfig().replace(**SMALL | {"training.steps": 200_000, "training.seed": 77})
    await tab.open(query={"run": tab.store.create(config)})
    await tab.page.locator(".lab-board").wait_for()
    await tab.page.keyboard.press("p")
    while True:
        await asyncio.sleep(5)


async def reload(tab: Tab) -> None:
    """Somebody who reloads the page over and over."""
    await tab.open(query={"run": tab.some_run(over=False)})
    while True:
        await tab.page.locator(".lab-board").wait_for()
        await asyncio.sleep(12)
        await tab.page.reload()


async def scrub(tab: Tab) -> None:
    """Back and forth through a run that is over, then another one."""
    while True:
        await tab.open(query={"run": tab.some_run(over=True)})
        await tab.page.locator(".lab-board").wait_for()
        await asyncio.sleep(4)
        await tab.unfold()
        for key in ("Home", *["ArrowRight"] * 60, *["ArrowLeft"] * 60, "End") * 2:
            await tab.page.keyboard.press(key)
            await asyncio.sleep(0.2)


async def walk(tab: Tab) -> None:
    """From page to page in one tab."""
    await tab.open()
    while True:
        for name in ("Lessons", "Initializers", "Compare", "Inside the cell", "Runs", "Lab"):
            await tab.page.get_by_role("link", name=name, exact=True).first.click()
            await asyncio.sleep(5)


ROLES: tuple[Callable[[Tab], Awaitable[None]], ...] = (
    train, train, race, list_runs, present, reload, scrub, walk, train, train
)  # fmt: skip


async def live(tab: Tab) -> None:
    """Do what this tab is for, and begin again where that fails."""
    role = ROLES[tab.place % len(ROLES)]
    await asyncio.sleep(ONE_BY_ONE * tab.place)
    while True:
        try:
            await role(tab)
        except (Error, StoreError) as error:
            tab.troubles.append(f"{role.__name__}: {str(error).splitlines()[0]}")
            await asyncio.sleep(5)


async def supply(store: RunStore) -> None:
    """Keep runs of many kinds going, and throw away the old ones."""
    for number in range(10**9):
        runs = await asyncio.to_thread(store.list)
        going = [run for run in runs if run.status not in OVER]
        if len(going) < WAITING + len(ROLES) // 2:
            task = TASKS[number % len(TASKS)]
            config = RunConfig.model_validate({"task": {"name": task}, "training": {"steps": 200, "seed": number}})
            await asyncio.to_thread(store.create, config)
        for run in [run for run in runs if run.status in OVER][KEPT:]:
            with suppress(RunNotFound):  # a page was quicker
                await asyncio.to_thread(store.delete, run.id)
        await asyncio.to_thread(store.purge, THROWN)
        await asyncio.sleep(4)
