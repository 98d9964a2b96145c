"""What the Compare page asks and does: which setting is raced, with which values and seeds; begin, stop, add seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import services, session, tying
from app.people import changes, owning, signing
from app.plain import plain
from app.racing import choices
from app.setting import own_data
from lstm_core.config import RunConfig
from lstm_core.files import FileProblem
from lstm_core.race_plan import MOST_RUNS, Plan, plan
from lstm_core.runs.races import Race
from lstm_core.runs.records import StoreError
from lstm_core.settings import Impossible

NEWEST = 20
OWN_RACE = "own race"


@dataclass(frozen=True)
class Wish:
    """The race that is prepared: as the address has it, else as the race on the page was, else the first ready one."""

    factor: choices.Factor
    values: list[str | None]
    seeds: int


def shown(here: session.Session) -> Race | None:
    """The race on the page: the one asked for, else the newest, unless another one is being prepared.

    What is asked for and not there is said on the page. An address without settings gets those of the race.
    """
    race, asked = None, session.own("race")
    try:
        if asked:
            race = services.store().race(asked)
        elif not session.own("vary"):
            newest, me = services.store().races(NEWEST), owning.identity()
            race = next((one for one in newest if me.has(one.owner)), next(iter(newest), None))
    except StoreError as error:
        session.set_own(race=None)
        here.problems = [*here.problems, str(error)]
    if "task" not in (here.query or {}):
        session.use(race.plan.config if race is not None else next(iter(choices.READY.values())).config)
    here.acted = False  # this rerun is no callback's
    return race


def wish(config: RunConfig, race: Race | None) -> Wish:
    """What would be begun now. A setting or a number that cannot be read gives way to the usual."""
    known = choices.factors(config)
    usual = race.plan.vary if race is not None else next(iter(known))
    factor = known.get(session.own("vary", usual)) or next(iter(known.values()))
    same = race is not None and factor.path == race.plan.vary
    before = [choices.as_text(value) for value in race.plan.values] if race is not None and same else list(factor.usual)
    line = session.own("values") or choices.as_line(before)
    seeds, usual_seeds = session.own_number("seeds"), len(race.plan.seeds) if race is not None else choices.SEEDS
    count = seeds if seeds is not None and 0 < seeds <= MOST_RUNS else usual_seeds
    return Wish(factor, choices.read(line), count)


def made(config: RunConfig, wished: Wish) -> Plan:
    """The race that is wished for; raises Impossible with sentences that name settings as the page does."""
    first = config.training.seed
    return plan(config, wished.factor.path, wished.values, [(first + k) % 2**31 for k in range(wished.seeds)])


def prepare(here: session.Session, race: Race | None) -> None:
    """The sidebar: what is raced, and the button."""
    wished = wish(here.config, race)
    _pick_ready_made(here.config, wished)
    _pick_factor(here.config, wished)
    _pick_values(wished)
    st.number_input(
        "Seeds",
        1,
        MOST_RUNS,
        help="So many runs for each value, each with other data and other first weights; luck shows in their spread.",
        **tying.tie("race:seeds", wished.seeds, lambda count: session.set_own(seeds=str(count))),
    )
    st.caption(f"The same for all: {plain(choices.common(here.config, wished.factor.path))}.")
    if st.button("Change these in the Lab", icon=":material/tune:", width="stretch"):
        session.go("lab")


def foot(here: session.Session, race: Race | None) -> None:
    """What would begin, how long it would take, what speaks against it, and the button; below, earlier races."""
    problem, ready = "", None
    wished = wish(here.config, race)
    try:
        ready = made(here.config, wished)
        own_data.check(ready.config)
    except (Impossible, FileProblem) as error:
        problem = str(error)
    if ready is not None and not problem:
        st.caption(_amount(ready, race))
    if problem:
        st.warning(plain(problem), icon=":material/block:")
    if race is not None and not owning.may_change(race):
        st.caption("The race on the page belongs to someone else: you can watch it, and run the same one as yours.")
    if signing.missing():
        st.caption("To start a race of your own, sign in first.")
        st.page_link("views/account.py", label="Sign in", icon=":material/login:")
    known = "race:start" in st.session_state
    pressed = st.button(
        "Start the race" if race is None or owning.may_change(race) else "Run this race as mine",
        key="race:start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=bool(problem),
        on_click=begin,
    )
    if pressed and not known:
        begin()  # as in `board`: pressed on a page that is older than the server
        st.rerun()


def _amount(ready: Plan, shown: Race | None) -> str:
    """How many runs, about how long, and who besides the race on the page is before them."""
    runs = len(ready.values) * len(ready.seeds)
    steps = ready.config.training.steps
    own = {runner.run for runner in services.store().runners(shown.id)} if shown is not None else set()
    others = len(set(services.store().waiting()) - own)
    verb = "other run waits" if others == 1 else "other runs wait"
    queue = f" {others} {verb} already; these take turns." if others else ""
    seconds = sum(choices.seconds(ready.settings(value, ready.seeds[0])) for value in range(len(ready.values)))
    each = f"{runs} runs" + (f" of {steps} steps" if ready.vary != "training.steps" else "")
    return f"{each}, {choices.about(seconds * len(ready.seeds))} of one processor core.{queue}"


def _pick_ready_made(config: RunConfig, wished: Wish) -> None:
    chosen = next(
        (name for name, one in choices.READY.items() if one.config == config and _equals(one, wished)), OWN_RACE
    )
    st.selectbox(
        "Ready-made races",
        [*choices.READY, *([OWN_RACE] if chosen == OWN_RACE else [])],
        help="Races that are known to show something; their settings take the place of the present ones.",
        **tying.tie("race:ready", chosen, use_ready_made),
    )
    if chosen != OWN_RACE:
        st.caption(choices.READY[chosen].question)


def _equals(ready: choices.Ready, wished: Wish) -> bool:
    return (ready.vary, list(ready.values), ready.seeds) == (wished.factor.path, wished.values, wished.seeds)


def use_ready_made(name: str) -> None:
    """Prepare a race that is ready made; nothing begins."""
    ready = choices.READY.get(name)
    if ready is not None:
        session.use(ready.config)
        session.set_own(vary=ready.vary, values=choices.as_line(ready.values), seeds=str(ready.seeds))


def _pick_factor(config: RunConfig, wished: Wish) -> None:
    known = choices.factors(config)
    labels = [factor.label for factor in known.values()]
    st.selectbox(
        "What varies",
        list(known),
        format_func=lambda path: _factor_words(known, labels, path),
        help=wished.factor.help or "The one setting in which the runs differ.",
        **tying.tie("race:vary", wished.factor.path, lambda path: session.set_own(vary=path, values=None)),
    )


def _factor_words(known: Mapping[str, choices.Factor], labels: Sequence[str], path: str) -> str:
    label = known[path].label if path in known else path
    return label if labels.count(label) < 2 else f"{label} ({path})"


def _pick_values(wished: Wish) -> None:
    factor = wished.factor
    texts = [choices.EMPTY if value is None else value for value in wished.values]
    if factor.options is None:
        st.text_input(
            "Its values",
            help="Numbers between commas, such as 8, 16, 32. " + factor.help,
            **tying.tie(
                f"race:values:{factor.path}", ", ".join(texts), lambda line: session.set_own(values=line.strip())
            ),
        )
        return
    options = dict(factor.options) | {text: text for text in texts if text not in factor.options}
    st.multiselect(
        "Its values",
        list(options),
        format_func=lambda text: options.get(text, text),
        placeholder="Choose values",
        help="One group of runs for each. " + factor.help,
        **tying.tie(
            f"race:values:{factor.path}", texts, lambda chosen: session.set_own(values=choices.as_line(chosen) or ",")
        ),
    )


def earlier(race: Race | None) -> None:
    """The newest races by name, to open again."""
    found = {other.id: other for other in services.store().races(NEWEST)}
    if race is not None:
        found = {race.id: race} | found
    if found:
        st.selectbox(
            "Open a race",
            list(found),
            index=None,
            format_func=lambda race_id: f"{found[race_id].plan.title} · {race_id}" if race_id in found else race_id,
            placeholder="Choose a race",
            help="Shows a race that was begun here or elsewhere, with its settings.",
            **tying.tie("race:open", race.id if race is not None else None, _open),
        )


def _open(race_id: str | None) -> None:
    if race_id is not None and race_id != session.own("race"):
        session.use(services.store().race(race_id).plan.config)
        session.set_own(race=race_id, vary=None, values=None, seeds=None)


def begin() -> None:
    """Begin the race that is prepared, and show it."""
    _say_no(_begin)


def _begin() -> None:
    session.touch()
    here = session.current()
    ready = made(here.config, wish(here.config, shown(here)))
    own_data.check(ready.config)
    if not session.first_press("race"):
        return
    race_id = changes.begin_race(ready)
    session.set_own(race=race_id, vary=None, values=None, seeds=None)


def perform(action: Mapping[str, Any]) -> None:
    """Carry out what a button of the race asks for; what cannot be done is said on the page."""
    session.touch()
    known = ACTIONS.get(str(action.get("name")))
    if known is not None:
        _say_no(lambda: known(str(action.get("race") or ""), action))


def _stop(race_id: str, _action: Mapping[str, Any]) -> None:
    changes.stop_race(race_id)


def _seeds(race_id: str, action: Mapping[str, Any]) -> None:
    count = action.get("n")
    if session.first_press("race:seeds"):
        changes.add_seeds(race_id, count if isinstance(count, int) and 0 < count <= MOST_RUNS else 1)


def _delete(race_id: str, _action: Mapping[str, Any]) -> None:
    changes.delete_race(race_id)
    session.set_own(race=None)
    session.say(["The race is deleted. Its runs can be taken back on the page Runs."])


def _say_no(act: Callable[[], None]) -> None:
    try:
        act()
    except (Impossible, FileProblem, StoreError) as error:
        session.say([str(error)])


ACTIONS: Mapping[str, Callable[[str, Mapping[str, Any]], None]] = {"stop": _stop, "seeds": _seeds, "delete": _delete}
