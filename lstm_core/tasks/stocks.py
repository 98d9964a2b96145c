"""Stock prices: real weekly closes of six companies, and the trap that a copy of yesterday looks like a forecast."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from lstm_core.settings import setting
from lstm_core.tasks.base import Array
from lstm_core.tasks.series import SeriesConfig

if TYPE_CHECKING:
    import pandas as pd


class Stocks(SeriesConfig):
    """105 weekly prices of 2018 and 2019, each as a multiple of the first; the table that ships with plotly.

    There is no goal: 53 windows are too few to learn from, and prices hardly tell what follows. Measured on the test of
    Alphabet's prices: the example errs by 0.031, 0.052 and 0.053 (seeds 1, 2, 3) with a lag of 2, 1 and 2, in 2 s of
    one core; persistence, which repeats the last price, errs by 0.017.
    """

    title: ClassVar[str] = "Stock prices"
    summary: ClassVar[str] = "Forecast next week's price; the honest rival is to repeat this week's."
    metric_unit: ClassVar[str] = "× first price"
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {"Alphabet's next price": {"task": {"name": "stocks"}, "model": {"hidden_size": 16}}}
    )

    name: Literal["stocks"] = "stocks"
    ticker: Literal["GOOG", "AAPL", "AMZN", "FB", "NFLX", "MSFT"] = setting(
        "GOOG",
        "Stock",
        "Whose prices are forecast.",
        choices={
            "GOOG": "Alphabet",
            "AAPL": "Apple",
            "AMZN": "Amazon",
            "FB": "Facebook",
            "NFLX": "Netflix",
            "MSFT": "Microsoft",
        },
    )

    @property
    def headline(self) -> str:
        return f"{self.ticker}'s next weekly price"

    def series(self) -> tuple[Array, list[str]]:
        table = _table()
        return table[self.ticker].to_numpy(np.float64), table["date"].astype(str).tolist()


@lru_cache(maxsize=1)
def _table() -> pd.DataFrame:
    """The table is read as a file of the installed package, so that plotly itself is not imported."""
    import pandas as pd

    package = importlib.util.find_spec("plotly")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("The stock prices come with the package plotly; install it.")
    return pd.read_csv(Path(package.submodule_search_locations[0]) / "package_data" / "datasets" / "stocks.csv.gz")
