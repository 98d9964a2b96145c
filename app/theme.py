"""Every colour and line style of the project: one colour per gate, two maps, tokens for light and dark.

The LSTM's colours are those of Okabe and Ito (2008), which stay apart for colour-blind eyes; the GRU's r, z and n are
chosen to stay apart from them and from each other under the same eyes (tested). z keeps the old state as f does, so it
is a darker and browner red than f, yet never the same: where z = 1 torch's GRU keeps all of the old state. A letter
always stands beside a colour. Figures are drawn with the light tokens; `recolour` exchanges those for the dark ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

Mode = Literal["light", "dark"]

GATES: Mapping[str, str] = MappingProxyType(
    {"i": "#0072B2", "f": "#D55E00", "g": "#CC79A7", "o": "#009E73", "c": "#E69F00", "h": "#56B4E9"}
    | {"r": "#6A51C8", "z": "#A8432B", "n": "#8FA31E"}
)
GATE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "i": "input gate",
        "f": "forget gate",
        "g": "candidate",
        "o": "output gate",
        "c": "cell state",
        "h": "hidden state",
        "r": "reset gate",
        "z": "update gate",
        "n": "candidate",
    }
)

TOKENS: Mapping[Mode, Mapping[str, str]] = MappingProxyType(
    {
        "light": MappingProxyType(
            {"ink": "#18222D", "quiet": "#5C6773", "faint": "#A9B1BA", "grid": "#E7E9EC", "paper": "#FFFFFF"}
        ),
        "dark": MappingProxyType(
            {"ink": "#EAEEF2", "quiet": "#A3AEBA", "faint": "#65717E", "grid": "#262E37", "paper": "#11161C"}
        ),
    }
)
INK, QUIET, FAINT, GRID, PAPER = TOKENS["light"].values()

# What is compared side by side, in its order; none of them is a gate's. Readable on light and on dark pages.
RIVALS = ("#3F74AE", "#C2476B", "#2C8A3C", "#9A7400", "#8A5FBF", "#23909F", "#8C6D5A", "#7B8087")

TRAIN, VALIDATION, CHANCE = "solid", "dash", "dot"  # line styles mean the same on every chart
LAYER_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")

# Anchors, evenly spaced: viridis (Smith & van der Walt, 2015); balance (cmocean, Thyng 2016)
# without its ends, which are so dark that −1 and 1 look alike, and with a grey exactly at 0.
_SEQUENTIAL = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip
_DIVERGING = (
    "#293a8f", "#0b66bd", "#4590b9", "#8eb5c2", "#d2d8db", "#e9e6e4",
    "#e6d2cc", "#d59d89", "#c46548", "#ac2b24", "#780e28",
)  # fmt: skip

# For dark pages: the same meaning, blue below and red above, but 0 as dark as the page.
_DIVERGING_DARK = (
    "#a9d4f2", "#6cacd9", "#3f7fae", "#28506f", "#192e3d", "#14191f",
    "#3a221c", "#6e392b", "#a95a44", "#d98a74", "#f4bfb0",
)  # fmt: skip
_ANCHORS = MappingProxyType({"sequential": _SEQUENTIAL, "diverging": _DIVERGING, "diverging_dark": _DIVERGING_DARK})
MapName = Literal["sequential", "diverging", "diverging_dark"]


def line(colour: str = INK, *, width: float = 1.75, dash: str = TRAIN) -> dict[str, Any]:
    """The `line` of a trace."""
    return {"color": colour, "width": width, "dash": dash}


@lru_cache(maxsize=3)
def palette(name: MapName) -> tuple[str, ...]:
    """256 colours "#rrggbb" from low to high: `sequential` for [0, 1], `diverging` centred on 0."""
    anchors = [_rgb(colour) for colour in _ANCHORS[name]]
    colours = []
    for index in range(256):
        place = index / 255 * (len(anchors) - 1)
        low = min(int(place), len(anchors) - 2)
        mixed = (round(a + (b - a) * (place - low)) for a, b in zip(anchors[low], anchors[low + 1], strict=True))
        colours.append("#" + "".join(f"{channel:02x}" for channel in mixed))
    return tuple(colours)


def colorscale(name: MapName) -> list[tuple[float, str]]:
    """The same map as Plotly wants it."""
    return [(index / 255, colour) for index, colour in enumerate(palette(name)) if index % 15 == 0]


def template() -> dict[str, Any]:
    """The Plotly template of every figure: quiet axes, no background, light tokens."""
    axis = {
        "gridcolor": GRID,
        "linecolor": FAINT,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": FAINT,
        "title": {"standoff": 6},
        "automargin": False,
    }
    return {
        "layout": {
            "font": {"color": QUIET, "size": 12},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [INK, *GATES.values()],
            "xaxis": axis,
            "yaxis": axis,
            "margin": {"l": 56, "r": 16, "t": 8, "b": 40},
            "hoverlabel": {"bgcolor": PAPER, "bordercolor": FAINT, "font": {"color": INK}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        }
    }


def look() -> dict[str, Any]:
    """All of it as JSON, for the board."""
    return {
        "tokens": {mode: dict(tokens) for mode, tokens in TOKENS.items()},
        "gates": dict(GATES),
        "palettes": {name: list(palette(name)) for name in ("sequential", "diverging", "diverging_dark")},
    }


def recolour(document: Any, mode: Mode) -> Any:
    """A figure's JSON with every light token in it exchanged for that of `mode`."""
    swap = {TOKENS["light"][name]: TOKENS[mode][name] for name in TOKENS["light"]}
    if isinstance(document, Mapping):
        return {key: recolour(value, mode) for key, value in document.items()}
    if isinstance(document, Sequence) and not isinstance(document, str):
        return [recolour(value, mode) for value in document]
    return swap.get(document, document) if isinstance(document, str) else document


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
