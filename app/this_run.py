"""What one may do with the run on the page, and the way to others: link, name, weights, reopening."""

from __future__ import annotations

from html import escape

import streamlit as st

from app import actions, services, session, tying
from app.people import owning
from app.plain import apart
from app.reports import exports
from app.setting import branching, class_link, links
from lstm_core.runs.records import Run

NEWEST = 10
KEY, CLASS = "this-run", "class-link"
THINNED = (
    "To save space most pictures along this run were taken out: the timeline has only a few steps. All curves, the "
    "settings and the weights are kept. Pin a run under This run to keep it whole."
)
NOT_BEGUN = "The run has no weights yet: it has not begun."


def draw(run: Run | None) -> None:
    """A popover beside the Train button; filled when it opens, since the run moves on without the page."""
    folded = st.popover("This run", key=KEY, on_change=session.touch, width="stretch")
    if st.session_state.pop(CLASS, False):
        class_link.dialog()
    if not folded.open:
        return
    with folded:
        if run is not None:
            _one(run)
        _settings()
        _others(run)


def _one(run: Run) -> None:
    st.text_input(
        "Name of this run",
        placeholder=session.settings_of(run).title,
        max_chars=200,
        disabled=not owning.may_change(run),
        help="What the page and the list call it; empty is what it consists of.",
        **tying.tie(f"name:{run.id}", run.name or "", lambda name: _rename(run.id, name)),
    )
    if owning.may_change(run):
        _pin(run)
    here = st.context.url or ""
    st.caption("Link to this run: whoever opens it watches it live and cannot change it")
    st.code(links.address(here, {"watch": run.id}), language=None)
    st.caption("This run as a file")
    st.html(_files(run))
    begun, file = run.step >= 0, branching.file_name(run)
    st.download_button(
        "Download the weights",
        lambda: services.store().weights(run.id),
        file,
        "application/octet-stream",
        key=f"download:{run.id}:{file}",  # Streamlit keeps the first name that a key has had
        icon=":material/download:",
        help="What it has learned so far, as a safetensors file with the names of torch." if begun else NOT_BEGUN,
        on_click="ignore",
        disabled=not begun,
        width="stretch",
    )
    st.button(
        "Start from its weights",
        key=f"weights:{run.id}",
        icon=":material/start:",
        help="The next run begins with the weights that this one has now; press Train then." if begun else NOT_BEGUN,
        on_click=_start_from,
        args=(run.id,),
        disabled=not begun,
        width="stretch",
    )


def _pin(run: Run) -> None:
    st.toggle(
        "Pinned",
        help="A pinned run is kept whole when the store needs room. Of others most pictures are taken out then, the "
        "oldest runs first; their numbers, settings and weights always stay.",
        **tying.tie(f"pin:{run.id}", bool(run.pinned), lambda on: _act("pin" if on else "unpin", run.id)),
    )


def _act(name: str, run_id: str) -> None:
    actions.perform({"name": name, "run": run_id})


def _files(run: Run) -> str:
    """Links to the run as files; to its settings alone before it has begun. The weights have a button."""
    usual = ' target="_self" download'
    shown = [
        f'<a href="{exports.address(run, name)}" title="{escape(kind.help)}"{usual}>{escape(kind.title)}</a>'
        for name, kind in exports.EXPORTS.items()
        if not name.startswith("weights") and (run.step >= 0 or not kind.of_begun)
    ]
    return f'<p class="exports">{"".join(shown)}</p>'


def _settings() -> None:
    """The link to the settings at the left, whole or for a class."""
    here = session.current()
    st.caption("Link to the settings at the left, without a run")
    st.code(links.address(st.context.url or "", here.config.to_query() | here.locks.to_query()), language=None)
    if here.locks == links.Locks():
        st.button(
            "Link for a class",
            icon=":material/school:",
            help="A link to these settings in which you choose what cannot be changed and what is not shown.",
            on_click=_for_a_class,
            width="stretch",
        )


def _for_a_class() -> None:
    session.touch()
    st.session_state[KEY], st.session_state[CLASS] = False, True  # the dialog would open below the popover


def _start_from(run_id: str) -> None:
    st.session_state[KEY] = False  # what follows is to be seen beside the Train button
    actions.perform({"name": "weights", "run": run_id})


def _rename(run_id: str, name: str) -> None:
    actions.perform({"name": "rename", "run": run_id, "value": name})


def _others(run: Run | None) -> None:
    """The newest runs by name, one's own where there are any, and any other by its id or link."""
    store, me = services.store(), owning.identity()
    found = [] if me.local else store.list(NEWEST, me.owner)
    newest = {other.id: _title(other) for other in found or store.list(NEWEST)}
    here = run.id if run is not None else None
    if here is not None and here not in newest:
        newest = {here: _title(run), **newest} if run is not None else newest
    if newest:
        st.selectbox(
            "Reopen one of the newest",
            list(newest),
            index=None,
            format_func=lambda run_id: newest.get(run_id, run_id),
            placeholder="Choose a run",
            help="Shows it here with its settings; a stopped run can be resumed, a finished one trained on.",
            **tying.tie("reopen", here, session.reopen),
        )
    st.text_input(
        "Open by id or link",
        placeholder="such as Ab3dE5gH7j",
        help="Shows the run that a link or the last part of it names.",
        **tying.tie("open", "", session.reopen),
    )


def _title(run: Run) -> str:
    """What a list calls a run. It ends with the id: a list box tells its options apart by their words alone."""
    return (
        f"{apart(run.name or '') or session.settings_of(run).title} · {run.status}, step {max(run.step, 0)} · {run.id}"
    )


def origin(run: Run | None) -> None:
    """Where the run on the page comes from: the run it was forked from, as a link. And what of it is not kept."""
    if run is not None and run.thinned is not None:
        st.html(f'<p class="origin">{THINNED}</p>')
    if run is None or run.parent is None or run.fork_step is None:
        return
    parent = session.find(run.parent)
    said = "a run that was deleted" if parent is None else _link(parent)
    st.html(f'<p class="origin">Forked from {said} at step {run.fork_step}.</p>')


def _link(run: Run) -> str:
    title = escape(run.name or session.settings_of(run).title)
    name = "watch" if session.current().watching else "run"
    return f'<a href="?{name}={escape(run.id)}" target="_self"><bdi>{title}</bdi></a>'
