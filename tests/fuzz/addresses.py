"""What stands in the address: settings, locks, and the names that belong to each page alone."""

from __future__ import annotations

from random import Random
from typing import Any

from app import session
from app.cell import by_hand
from app.racing import choices
from app.setting import links, settle
from app.xray import asking
from lstm_core.config import RunConfig
from lstm_core.race_plan import plan
from lstm_core.settings import Impossible
from lstm_core.tasks import TASKS
from tests.fuzz import inputs
from tests.fuzz.harness import Entry, sentence

Query = dict[str, str]
SETTINGS = sorted(links.titles())


def query(rng: Random) -> Query:
    """An address with settings, some possible and some not."""
    made = {"task": rng.choice([*TASKS, inputs.text(rng)])} if rng.random() < 0.7 else {}
    for _ in range(rng.choice((1, 2, 4, 8))):
        made[inputs.clean(_name(rng))] = inputs.clean(_text(rng))
    if rng.random() < 0.02:
        made |= {f"x{k}": inputs.clean(inputs.text(rng)) for k in range(2000)}
    return made


def _name(rng: Random) -> str:
    kind = rng.randrange(6)
    if kind < 4:
        return rng.choice(SETTINGS)
    if kind == 4:
        return rng.choice(SETTINGS) + rng.choice((".", ".x", ".scheme", ".name", ".value", ".a.b.c", ".a" * 3000))
    return inputs.text(rng)


def _text(rng: Random) -> str:
    usual = ("", "1", "0", "true", "lstm", "chrono", "forget", "norm", "0.5", "40", "1e-3", "none", "a" * 16, "0" * 16)
    return inputs.text(rng) if rng.random() < 0.6 else rng.choice(usual)


def read(query: Query) -> None:
    """Settings of an address are always settled, and written back they are the same."""
    config, notes = settle.from_link(query)
    for note in notes:
        sentence(note)
    assert len(notes) <= 40, f"{len(notes)} sentences about one address"
    again, more = settle.from_link(config.to_query())
    assert (again, more) == (config, []), "what is written back reads otherwise"
    _ = config.title, links.address("http://a/", config.to_query())


def some_locks(rng: Random) -> Query:
    def names() -> str:
        many = rng.choice((1, 3, 10, 1000 if rng.random() < 0.05 else 5))
        return ",".join(
            rng.choice(SETTINGS) if rng.random() < 0.5 else inputs.clean(inputs.text(rng)) for _ in range(many)
        )

    return {rng.choice(links.NAMES): names() for _ in range(2)}


def locks(query: Query) -> None:
    found, notes = links.from_query(query)
    for note in notes:
        sentence(note)
    assert len(notes) <= 40, f"{len(notes)} sentences about one address"
    again, more = links.from_query(found.to_query())
    assert (again, more) == (found, [])
    before = RunConfig()
    links.keep(found, before, before.replace(**{"training.steps": 7, "model.hidden_size": 5}))


def own(rng: Random) -> Query:
    """Names that belong to one page, with whatever behind them."""
    page = rng.choice(sorted(session.OWN))
    names = session.OWN[page] or ("run", "watch")
    return {"page": page} | {name: _own(rng, name) for name in rng.sample(names, rng.randrange(1, len(names) + 1))}


def _own(rng: Random, name: str) -> str:
    usual = {
        "values": ["1,2,3", "chrono,pytorch", "empty", ",;, ", "1e308", "8, 16", ",".join(map(str, range(5000)))],
        "vary": [*SETTINGS[:40], "init.bias.value", "training.seed", "task.name"],
        "show": ["own", "none", "chrono,keras", "own," * 500],
        "layer": ["l0.fwd", "l9.bwd", "l-1.fwd", "l.fwd"],
        "check": ["3.4.6.2.1.none.1", "9.9.9.9.9.x.1", "3.4.6.2.1.none.0", "٣.4.6.2.1.none.1"],
        "nn": ["hidden_size:8,bias:false", "cell:gru,proj_size:3", "hidden_size:" + "9" * 5000, "x:" * 900],
        "made": ["a.b", "." * 5000, "Ab3dE5gH7j." * 300],
        "compare": ["a,b", "Ab3dE5gH7j," * 300],
        "tab": ["step", "shapes", "numpy"],
        "of": ["fresh", "run"],
        "lesson": ["recall-cliff", "forget-gate", "clipping"],
        "guess": ["1", "2", "9" * 5000],
    }.get(name, ["1", "9" * 5000, "-1"])
    return rng.choice(usual) if rng.random() < 0.5 else inputs.clean(inputs.text(rng))


def own_names(query: Query) -> None:
    """What can be read of the names of a page without the page."""
    config = RunConfig()
    if "show" in query:
        for problem in asking.chosen(query["show"]).problems:
            sentence(problem)
    if "layer" in query:
        _, problem = asking.layer(query["layer"], config)
        if problem:
            sentence(problem)
    if "check" in query:
        wish = by_hand.Wish.read(query["check"])
        assert by_hand.Wish.read(wish.written()) == wish
    if query["page"] == "compare":
        known = choices.factors(config)
        factor = known.get(query.get("vary", "")) or next(iter(known.values()))
        _planned(config, factor.path, choices.read(query.get("values", "")), [1, 2])


def _planned(config: RunConfig, vary: str, values: list[Any], seeds: list[int]) -> None:
    try:
        made = plan(config, vary, values, seeds)
    except Impossible as error:
        sentence(str(error))
    else:
        _ = made.title, [made.words(place) for place in range(len(made.values))], made.dump()


def _plan(rng: Random) -> tuple[str, list[Any], list[Any]]:
    values = [inputs.value(rng) for _ in range(rng.choice((0, 1, 2, 5, 70)))]
    seeds = [rng.choice((0, 1, 2, -1, 2**31, 2**63, 10**30)) for _ in range(rng.randrange(4))]
    return rng.choice([*SETTINGS, "init.bias.value", inputs.text(rng)]), values, seeds


ENTRIES = (
    Entry("address: settings", 170, query, read),
    Entry("address: locks", 50, some_locks, locks),
    Entry("address: names of a page", 100, own, own_names),
    Entry("race plans", 60, _plan, lambda given: _planned(RunConfig(), given[0], given[1], given[2])),
)
