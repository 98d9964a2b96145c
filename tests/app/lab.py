"""A page of one tab without a browser, for the tests of what it remembers and of what its buttons do."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from app.session import Session


def page() -> None:
    from app import actions, session

    def act() -> None:
        for step in session.st.session_state["script"]:
            if isinstance(step, dict):
                actions.perform(step)
            elif isinstance(step, str):
                session.reopen(step)
            else:
                session.change(*step)

    session.st.button("act", on_click=act)
    session.begin()


class Poked:
    """Stands for the engine: what the page writes is in the store, nobody works on it."""

    count = 0

    def poke(self) -> None:
        self.count += 1

    def close(self) -> None: ...


def opened(**query: str) -> AppTest:
    test = AppTest.from_function(page, default_timeout=30)
    for name, text in query.items():
        test.query_params[name.replace("__", ".")] = text
    return checked(test.run())


def checked(test: AppTest) -> AppTest:
    assert not test.exception
    return test


def do(test: AppTest, *script: Any) -> AppTest:
    """A callback that changes settings ((path, value)), performs actions (mappings), opens runs (texts); the rerun."""
    test.session_state["script"] = list(script)
    return checked(test.button[0].click().run())


def state(test: AppTest) -> Session:
    return test.session_state["lab"]  # type: ignore[no-any-return]


def address(test: AppTest) -> dict[str, str]:
    return {name: text if isinstance(text, str) else text[0] for name, text in test.query_params.items()}


def train(test: AppTest) -> str:
    state(test).pressed.clear()
    do(test, {"name": "train"})
    run = state(test).run
    assert run is not None
    return run
