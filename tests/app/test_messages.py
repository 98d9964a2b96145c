"""What a page has to say is said once, and not lost where another press overtakes the drawing."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.app.lab import checked, state

pytestmark = pytest.mark.usefixtures("store")


def page() -> None:
    from app import messages, session

    messages.refusals(session.begin())
    if session.st.session_state.get("overtaken"):
        session.st.stop()  # as where the next rerun has begun
    messages.delivered()


def said(test: AppTest) -> list[str]:
    return [toast.value for toast in checked(test.run()).toast if "cookies" not in toast.value]


def test_a_message_is_said_until_the_page_was_drawn_to_its_end() -> None:
    test = AppTest.from_function(page, default_timeout=30)
    assert said(test) == []
    state(test).refusals = ["It cannot be", "Nor can that"]
    test.session_state["overtaken"] = True
    assert said(test) == ["It cannot be", "Nor can that"]
    test.session_state["overtaken"] = False
    assert said(test) == ["It cannot be", "Nor can that"]
    assert said(test) == []
