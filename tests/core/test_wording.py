"""Numbers in words, by examples; that the page writes them alike is tested in a browser."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_core.wording import count, duration, number, percent, power, raised

EXAMPLES = [
    (0.6931, "0.693"), (0, "0"), (-0.5, "−0.500"), (12, "12.0"), (1234, "1\u2009230"), (999.6, "1\u2009000"),
    (1.6e-10, "1.60\u2009×\u200910⁻¹⁰"), (-2e-5, "−2.00\u2009×\u200910⁻⁵"), (3e7, "3.00\u2009×\u200910⁷"),
    (None, "–"), (math.nan, "–"), (math.inf, "∞"), (-math.inf, "−∞"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), EXAMPLES)
def test_a_number_has_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e300, 1e300).filter(lambda value: value == 0 or abs(value) > 1e-300))
def test_a_number_read_back_is_near(value: float) -> None:
    plain = number(value).replace("\u2009×\u200910", "e").replace("\u2009", "").replace("−", "-")
    plain = plain.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert float(plain) == pytest.approx(value, rel=0.00501)


def test_shares_counts_powers_and_times() -> None:
    assert [count(n) for n in (7, 1234, -1_000_000, math.nan)] == ["7", "1\u2009234", "−1\u2009000\u2009000", "–"]
    assert [power(v) for v in (1.6e-10, 4e3, 0.5, 0, -1, math.inf)] == ["10⁻¹⁰", "10⁴", "0.500", "0", "–", "∞"]
    assert [percent(s) for s in (0.5, 0.999, math.nan)] == ["50\u202f%", "100\u202f%", "–"]
    assert [duration(s) for s in (0.14, 61, 600, 7200, math.inf)] == ["0.1 s", "61 s", "10 min", "2.0 h", "–"]
    assert raised(-12) == "⁻¹²"
