"""The short form of `make fuzz`: some hundred hostile inputs, the same every time, and nothing breaks."""

from __future__ import annotations

from tests.fuzz.everything import everything

COUNT, SEED = 600, 20


def test_hostile_input_breaks_nothing() -> None:
    said: list[str] = []
    assert everything(COUNT, SEED, say=said.append), "\n".join(said)


def test_what_breaks_is_found_and_made_small() -> None:
    """The fuzzer itself: a planted fault is found, named by its place, and its input made as small as it can be."""
    from tests.fuzz.harness import Entry, run

    def give(text: str) -> None:
        if "<" in text:
            raise AssertionError("markup")

    (fault,) = run(Entry("planted", 1, lambda rng: "x" * rng.randrange(50) + "<" + "y" * 50, give), 1, 5).faults.items()
    assert fault[0].endswith("AssertionError markup")
    assert fault[1][1] == "<"
