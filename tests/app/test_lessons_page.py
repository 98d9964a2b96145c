"""The way through a lesson without a browser: what its buttons write into the store, and what the page says then."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import services
from lstm_core.runs.holder import this_process
from lstm_core.runs.slices import work
from lstm_core.runs.store import RunStore
from tests.app.lab import address, checked, state
from tests.app.test_lessons import TINY

VIEW = Path(services.__file__).parent / "views" / "lessons.py"
pytestmark = pytest.mark.usefixtures("store")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two lessons with the same run, and a file that is none."""
    place = tmp_path / "lessons"
    place.mkdir()
    (place / "01-tiny.md").write_text(TINY)
    (place / "02-again.md").write_text(TINY.replace("A tiny lesson", "The same again"))
    (place / "03-broken.md").write_text(TINY.replace("minutes: 1", "minutes: soon"))
    monkeypatch.setenv("LSTM_LAB_LESSONS", str(place))
    return place


def opened(**query: str) -> AppTest:
    test = AppTest.from_file(str(VIEW), default_timeout=30)
    for name, text in query.items():
        test.query_params[name] = text
    return checked(test.run())


def press(test: AppTest, label: str) -> AppTest:
    button = next(button for button in test.button if button.label == label)
    return checked(button.click().run())


def labels(test: AppTest) -> list[str]:
    return [button.label for button in test.button]


def predict(test: AppTest, choice: int) -> AppTest:
    test.radio[0].set_value(choice)
    return press(test, "Predict")


def finish(store: RunStore) -> None:
    """Do a worker's work: train whatever waits."""
    for run_id in store.waiting():
        lease = store.acquire(run_id, this_process())
        assert lease is not None
        work(store, lease)


def said(test: AppTest) -> str:
    return " ".join(element.value for element in test.markdown).replace("\\", "")


def test_a_broken_file_is_named_on_the_page_and_the_others_are_there() -> None:
    test = opened()
    assert labels(test) == ["A tiny lesson", "The same again"]
    warned = test.warning[0].value.replace("\\", "")
    assert "03-broken.md" in warned
    assert "minutes is 'soon'; choose a whole number" in warned


def twice() -> None:
    from app import session
    from app.lessons import flow, texts

    session.begin("lessons")
    lesson = texts.book().lessons[0]

    def both() -> None:
        flow.begin(lesson)
        flow.begin(lesson)

    session.st.button("twice", on_click=both)


@pytest.mark.parametrize(("guess", "runs"), [({"guess": "1"}, 1), ({}, 0)])
def test_a_double_click_begins_each_run_once_and_none_before_a_prediction(
    store: RunStore, guess: dict[str, str], runs: int
) -> None:
    test = AppTest.from_function(twice, default_timeout=30)
    for name, text in {"lesson": "tiny", **guess}.items():
        test.query_params[name] = text
    press(checked(test.run()), "twice")
    assert len(store.list()) == runs


def test_nothing_can_be_run_before_a_prediction(store: RunStore) -> None:
    test = press(opened(), "A tiny lesson")
    assert "Run" not in labels(test)
    test = press(test, "Predict")  # nothing is chosen
    assert "Run" not in labels(test)
    test = predict(test, 2)
    assert store.list() == []
    press(press(test, "Run"), "All lessons")
    assert [run.config["training"]["steps"] for run in store.list()] == [4]
    assert store.list()[0].name == "Short · A tiny lesson"
    assert services.engine().count == 1  # type: ignore[attr-defined]


def test_the_result_stands_beside_the_prediction_and_a_reload_keeps_all(store: RunStore) -> None:
    test = press(predict(press(opened(), "A tiny lesson"), 1), "Run")
    assert "Measured" not in [heading.value for heading in test.subheader]
    finish(store)
    test = opened(**address(test))  # a reload: nothing but the address is left
    assert "Measured" in [heading.value for heading in test.subheader]
    assert "not solved" in said(test)
    assert "It came out as: No" in said(test)
    assert "It was not solved." in said(test)
    test = press(test, "All lessons")
    assert address(test)["done"] == "tiny"
    assert state(opened(**address(test))).own["done"] == "tiny"


def test_runs_with_the_same_settings_are_used_again(store: RunStore) -> None:
    test = press(predict(press(opened(), "A tiny lesson"), 2), "Run")
    finish(store)
    test = press(checked(test.run()), "Next: The same again")
    test = press(predict(test, 2), "Run")
    assert "As you predicted." in said(test)
    assert len(store.list()) == 1
    test = press(test, "Predict again")
    assert "Predict" in labels(test)
    press(predict(test, 1), "Run")
    assert len(store.list()) == 1


def test_a_run_that_was_stopped_or_thrown_away_is_no_result(store: RunStore) -> None:
    test = press(predict(press(opened(), "A tiny lesson"), 2), "Run")
    run = store.list()[0].id
    store.desire(run, "stopped")
    test = opened(**address(test))
    assert "Run" in labels(test)
    press(test, "Run")
    assert len(store.list()) == 2


def test_an_address_that_means_nothing_shows_the_question() -> None:
    test = opened(lesson="tiny", guess="9", made="gone")
    assert "Predict" in labels(test)
    assert "A tiny lesson" in labels(opened(lesson="none-such"))


def test_who_comes_back_from_another_page_finds_the_lesson_that_was_open() -> None:
    test = predict(press(opened(), "A tiny lesson"), 2)
    state(test).page = "lab"
    test.query_params.clear()
    assert "Run" in labels(checked(test.run()))
    assert address(test)["lesson"] == "tiny"
    test = press(test, "All lessons")
    state(test).page = "lab"
    test.query_params.clear()
    assert "A tiny lesson" in labels(checked(test.run()))
