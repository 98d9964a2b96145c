"""Formats, rounding, ranges and the rounded recurrence, against exact integer arithmetic and the module itself."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lstm_core.cells import CELLS
from lstm_core.fixed_point import Format, Range, fit, formats, quantize, ranges, simulate
from lstm_core.probes import trace
from lstm_core.recurrent import make
from lstm_core.stepwise import walk

torch.set_num_threads(1)

some_formats = st.builds(Format, st.integers(2, 40), st.integers(-4, 24))
numbers = st.floats(-1e6, 1e6)


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.double)


def test_a_format_does_not_count_its_sign_bit_among_the_integer_bits() -> None:
    format = Format(8, 4)
    assert (format.title, format.integer) == ("Q3.4", 3)
    assert (format.low, format.high, format.step) == (-8.0, 7.9375, 0.0625)
    assert Format(8, 7).high == 127 / 128
    assert Format(4, 6).title == "Q-3.6"


@given(some_formats, numbers)
def test_rounding_is_to_the_nearest_number_and_stops_at_the_ends(format: Format, value: float) -> None:
    counts = round(Fraction(value) * Fraction(2) ** format.fraction)  # exact, halfway to the even one
    counts = max(-(2 ** (format.bits - 1)), min(2 ** (format.bits - 1) - 1, counts))
    rounded = quantize(doubles(value), format).item()
    assert rounded == float(Fraction(counts) / Fraction(2) ** format.fraction)
    if format.low <= value <= format.high:
        assert abs(rounded - value) <= format.step / 2
    else:
        assert rounded == (format.low if value < 0 else format.high)


@given(some_formats, numbers, st.sampled_from([torch.float32, torch.float64]))
def test_rounding_twice_is_rounding_once(format: Format, value: float, dtype: torch.dtype) -> None:
    once = quantize(torch.tensor([value], dtype=dtype), format)
    assert once.dtype == dtype
    assert torch.equal(quantize(once, format), once)


def test_what_is_no_number_stays_none_and_infinity_is_the_end() -> None:
    rounded = quantize(doubles(math.nan, math.inf, -math.inf), Format(8, 4))
    assert rounded[0].isnan()
    assert rounded[1:].tolist() == [7.9375, -8.0]


@given(numbers, numbers, st.integers(2, 32), st.floats(0, 1))
def test_the_fitted_format_holds_the_range_and_is_the_finest_that_does(
    a: float, b: float, bits: int, at: float
) -> None:
    low, high = min(a, b), max(a, b)
    assume(max(abs(low), abs(high)) > 1e-9)
    format = fit(low, high, bits)
    assert format.bits == bits
    inside = doubles(low, high, low + at * (high - low))
    assert ((quantize(inside, format) - inside).abs() <= format.step / 2).all()
    finer = Format(bits, format.fraction + 1)
    assert low < finer.low or high > finer.high + finer.step / 2


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(-1, 0.5, 0), (0, 0.999, 0), (0, 1, 1), (-3, 2, 2), (-8, 7.9, 3), (-0.1, 0.1, -3), (0, 0, 0), (-1e-300, 0, -64)],
)
def test_integer_bits_by_hand(low: float, high: float, bits: int) -> None:
    assert Range(low, high).integer_bits == bits


def test_a_gate_that_reaches_one_can_still_be_one() -> None:
    format = fit(0.0, 0.999, 8)
    assert format.title == "Q1.6"
    assert quantize(doubles(0.999), format).item() == 1.0
    assert fit(0.0, 0.99, 8).title == "Q0.7"


def test_what_cannot_be_a_format_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="A format of 1 bits cannot be had; choose 2 to 53"):
        Format(1, 0)
    for low, high in ((math.nan, math.nan), (0.0, math.inf), (1.0, -1.0)):
        with pytest.raises(ValueError, match="Fixed point has no numbers for values from"):
            fit(low, high, 8)


def network(cell: str, **settings: bool | int) -> nn.RNNBase:
    torch.manual_seed(0)
    return make(cell, 3, 8, **settings).double()  # type: ignore[arg-type]


def random_input(steps: int = 20, batch: int = 6) -> Tensor:
    return torch.randn(steps, batch, 3, generator=torch.Generator().manual_seed(1), dtype=torch.double)


def test_ranges_are_those_of_the_trace_and_the_weights() -> None:
    rnn, x = network("lstm", num_layers=2, bidirectional=True), random_input()
    measured = ranges(rnn, x)
    for layer, values in trace(rnn, x).items():
        for quantity in CELLS["lstm"].quantities:
            seen, value = measured[f"{layer}.{quantity}"], getattr(values, quantity)
            assert (seen.low, seen.high) == pytest.approx((value.min().item(), value.max().item()), abs=1e-12)
    weight = rnn.weight_hh_l1_reverse
    assert measured["l1.bwd.weight_hh"] == Range(weight.min().item(), weight.max().item())
    assert measured["x"] == Range(x.min().item(), x.max().item())
    f, pre = measured["l0.fwd.f"], measured["l0.fwd.pre_f"]
    assert f.high == pytest.approx(1 / (1 + math.exp(-pre.high)))


def test_ranges_leave_out_padding_and_keep_what_is_no_number() -> None:
    rnn, x, lengths = network("gru"), random_input(), torch.tensor([20, 5, 1, 7, 9, 2])
    spoilt = x.clone()
    spoilt[10:, 1:] = 1e9
    assert ranges(rnn, spoilt, lengths) == ranges(rnn, x, lengths)
    spoilt[3, 0, 0] = math.nan
    assert math.isnan(ranges(rnn, spoilt, lengths)["l0.fwd.h"].high)


@pytest.mark.parametrize("bits", [32, 48])
@pytest.mark.parametrize("cell", CELLS)
def test_with_many_bits_it_is_the_module(cell: str, bits: int) -> None:
    rnn, x = network(cell, num_layers=2, bidirectional=True), random_input()
    outputs = simulate(rnn, x, formats(ranges(rnn, x), bits))
    torch.testing.assert_close(outputs, rnn(x)[0].detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_the_error_falls_with_every_pair_of_bits(cell: str) -> None:
    rnn, x = network(cell), random_input()
    measured, exact = ranges(rnn, x), rnn(x)[0].detach()
    errors = [(simulate(rnn, x, formats(measured, bits)) - exact).abs().mean().item() for bits in (4, 6, 8, 10, 12, 16)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 100


def test_each_value_is_one_of_its_format_at_every_step() -> None:
    rnn, x = network("lstm"), random_input()
    eight = formats(ranges(rnn, x), 8)
    outputs = simulate(rnn, x, eight)
    assert torch.equal(quantize(outputs, eight["l0.fwd.h"]), outputs)
    assert not torch.equal(quantize(rnn(x)[0], eight["l0.fwd.h"]), outputs)  # not merely rounded in the end


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 12), st.integers(0, 1000))
def test_a_simple_network_by_integer_arithmetic(bits: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rnn = make("rnn_relu", 1, 1, bias=False).double()
    x = torch.randn(6, 1, 1, generator=generator, dtype=torch.double)
    known = formats(ranges(rnn, x), bits)

    def integer(value: float | Fraction, name: str) -> Fraction:
        unit = Fraction(2) ** -known[name].fraction
        limit = 2 ** (bits - 1)
        return max(-limit, min(limit - 1, round(Fraction(value) / unit))) * unit

    w = integer(rnn.weight_ih_l0.item(), "l0.fwd.weight_ih")
    u = integer(rnn.weight_hh_l0.item(), "l0.fwd.weight_hh")
    h, expected = Fraction(0), []
    for x_t in x.flatten().tolist():
        z = integer(w * integer(x_t, "x") + u * h, "l0.fwd.pre_h")
        h = integer(max(z, Fraction(0)), "l0.fwd.h")
        expected.append(float(h))
    assert simulate(rnn, x, known).flatten().tolist() == expected


def test_formats_can_be_mixed_and_what_has_none_stays_exact() -> None:
    rnn, x = network("lstm"), random_input()
    measured = ranges(rnn, x)
    torch.testing.assert_close(simulate(rnn, x, {}), rnn(x)[0].detach(), rtol=0, atol=1e-12)
    weights = {name: format for name, format in formats(measured, 8).items() if "weight" in name or "bias" in name}
    rounded = network("lstm")
    with torch.no_grad():
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            parameter = getattr(rounded, kind + "_l0")
            parameter.copy_(quantize(parameter, weights[f"l0.fwd.{kind}"]))
    torch.testing.assert_close(simulate(rnn, x, weights), rounded(x)[0].detach(), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"There is a format for l7\.fwd\.h, but the values are l0\.fwd"):
        simulate(rnn, x, {"l7.fwd.h": Format(8, 4)})


def test_values_beyond_the_measured_range_are_cut_off() -> None:
    rnn, x = network("rnn_relu"), random_input()
    eight = formats(ranges(rnn, x), 8)
    del eight["x"]
    assert simulate(rnn, 50 * x, eight).max().item() == eight["l0.fwd.h"].high
    assert rnn(50 * x)[0].max().item() > 2 * eight["l0.fwd.h"].high


def test_the_network_is_left_as_it_was() -> None:
    rnn, x = make("lstm", 3, 8, 2, dropout=0.5, batch_first=True), random_input().transpose(0, 1).float()
    before, stream = {k: v.clone() for k, v in rnn.state_dict().items()}, torch.get_rng_state()
    outputs = simulate(rnn, x, formats(ranges(rnn, x), 4))
    assert outputs.shape == (20, 6, 8)
    assert outputs.dtype == torch.float32
    assert rnn.training
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(torch.equal(v, before[k]) for k, v in rnn.state_dict().items())


def test_a_state_given_is_rounded_and_counted_too() -> None:
    rnn, x = network("gru"), random_input()
    h0 = torch.full((1, 6, 8), 3.3, dtype=torch.double)
    measured = ranges(rnn, x, h0=h0)
    assert measured["l0.fwd.h"].high == 3.3
    eight = formats(measured, 8)
    start = quantize(h0, eight["l0.fwd.h"])
    assert not torch.equal(start, h0)
    assert torch.equal(simulate(rnn, x, eight, h0=h0), simulate(rnn, x, eight, h0=start))
    torch.testing.assert_close(walk(rnn, x, lambda _, value: value, h0=h0)[0], rnn(x, h0)[0].detach())
