"""`xray` against autograd through a loop, NumPy, and the snapshot that a run begins with."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings

from lstm_core import RunConfig, files
from lstm_core.cells import CELLS
from lstm_core.files import FileProblem
from lstm_core.model import build
from lstm_core.recipes import PRESETS
from lstm_core.state import TrainState, first_model
from lstm_core.xray import XRay, xray
from tests.core.own_files import ready
from tests.core.strategies import configs

torch.set_num_threads(1)


def config(**changes: Any) -> RunConfig:
    return RunConfig.model_validate({"task": {"name": "recall", "length": 20}, "model": {"hidden_size": 12}}).replace(
        **{name.replace("__", "."): value for name, value in changes.items()}
    )


def compare_with_snapshot(found: XRay, settings: RunConfig) -> None:
    """The same numbers, bit for bit, as a run of these settings shows before its first update."""
    snapshot = TrainState(settings).probe.snapshot(0)
    for state, reach in found.reach.items():
        np.testing.assert_array_equal(reach.exact, snapshot.arrays[f"gradient/{found.layer}.{state}"])
    for gate, share in found.saturation.items():
        assert np.float32(share) == snapshot.arrays[f"saturation/{found.layer}.{gate}"][0]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_numbers_are_those_of_the_lab_before_the_first_update(cell: str, preset: str) -> None:
    settings = config(model__cell=cell, init__preset=preset)
    compare_with_snapshot(xray(settings), settings)


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(drawn=configs())
def test_any_settings_are_measured_as_the_lab_does(drawn: RunConfig) -> None:
    model = drawn.model
    assume(not drawn.task.needs_file)
    narrow = {"hidden_size": 6, "proj_size": min(model.proj_size, 3)}
    small = drawn.replace(**{f"model.{name}": value for name, value in narrow.items()}, **{"training.device": "cpu"})
    assume(small.task.time_steps <= 80)
    layer = f"l{model.num_layers - 1}.{'bwd' if model.bidirectional else 'fwd'}"
    found = xray(small, layer)
    assert found.layer == found.layers[-1] == layer
    compare_with_snapshot(found, small)
    for spread in (*found.weights.values(), *found.gates.values()):
        assert spread.share.sum() == pytest.approx(1)
        assert len(spread.edges) == len(spread.share) + 1


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_the_gradient_is_that_of_autograd_through_a_loop(cell: str) -> None:
    """In 64 bits at every step; in 32 bits as the loop in 32 bits has it, zeros included."""
    settings = config(model__cell=cell, task__length=30, init__weight_hh={"scheme": "normal", "std": 0.02})
    found = xray(settings).reach
    for precision, field, tolerance in ((torch.float64, "exact", 1e-5), (torch.float32, "single", 1e-3)):
        truth = looped(settings, precision)
        for state, reach in found.items():
            np.testing.assert_allclose(getattr(reach, field), truth[state], rtol=tolerance)


def looped(settings: RunConfig, precision: torch.dtype) -> dict[str, Any]:
    """‖∂L/∂h_t‖ (and ∂L/∂c_t) from `.grad` of the states of a loop over torch's own cell, mean over the sequences."""
    state = TrainState(settings)
    model, batch = first_model(settings).to(precision), state.probe._batch
    rnn = model.rnn
    kinds = {"LSTM": torch.nn.LSTMCell, "GRU": torch.nn.GRUCell}
    extra = {"nonlinearity": settings.model.cell.removeprefix("rnn_")} if rnn.mode.startswith("RNN") else {}
    cell = kinds.get(rnn.mode, torch.nn.RNNCell)(rnn.input_size, rnn.hidden_size, dtype=precision, **extra)
    cell.load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in rnn.state_dict().items()})
    x = model.embedding(torch.from_numpy(batch.inputs)).transpose(0, 1)
    zero = x.new_zeros(len(batch), rnn.hidden_size)
    carried: Any = (zero, zero) if rnn.mode == "LSTM" else zero
    hs, cs = [], []
    for x_t in x:
        carried = cell(x_t, carried)
        h, c = carried if isinstance(carried, tuple) else (carried, None)
        # each state on its own, so that its gradient holds what it does to all that follows
        hs.append(h)
        h.retain_grad()
        if c is not None:
            cs.append(c)
            c.retain_grad()
    answer = model.head(hs[-1])
    losses = torch.nn.functional.cross_entropy(answer, torch.from_numpy(batch.targets), reduction="sum")
    losses.backward()
    return {
        name: np.array([state.grad.double().norm(dim=1).mean() for state in states])
        for name, states in (("h", hs), ("c", cs))
        if states
    }


def test_32_bits_lose_the_norm_before_the_gradient_and_64_keep_the_slope() -> None:
    settings = config(task__length=200, init__preset="small_gaussian", model__hidden_size=64)
    reach = xray(settings).reach["h"]
    assert (reach.exact > 0).all()
    lost, unread = (int(np.argmax(values > 0)) for values in (reach.single, reach.norm))
    assert 0 < lost < unread
    squares = reach.single[unread - 5 : unread].astype(np.float32) ** 2
    assert (squares < np.finfo(np.float32).tiny).all()
    slopes = np.diff(np.log(reach.exact))
    assert np.ptp(slopes[5:50]) == pytest.approx(np.ptp(slopes[100:145]), abs=0.2)  # the same law below and above
    both = reach.single > 1e-30
    np.testing.assert_allclose(reach.single[both], reach.exact[both], rtol=1e-3)


def test_spectra_are_those_of_numpy() -> None:
    settings = config(init__preset="orthogonal", model__cell="gru")
    found, model = xray(settings), first_model(settings)
    blocks = dict(zip("rzn", model.rnn.weight_hh_l0.detach().double().numpy().reshape(3, 12, 12), strict=True))
    for gate, block in blocks.items():
        np.testing.assert_allclose(found.spectrum[gate], np.linalg.svd(block, compute_uv=False), rtol=1e-6)
        assert found.radius[gate] == pytest.approx(np.abs(np.linalg.eigvals(block)).max(), rel=1e-6)
        spread = found.weights[f"weight_hh.{gate}"]
        counts, edges = np.histogram(block, len(spread.share), (block.min(), block.max()))
        np.testing.assert_allclose(spread.edges, edges, rtol=1e-6)
        np.testing.assert_allclose(spread.share, counts / block.size, atol=2 / block.size)


def test_a_projection_has_no_spectral_radius() -> None:
    found = xray(config(model__proj_size=5))
    assert found.radius == {}
    assert found.spectrum["f"].shape == (5,)


def test_memory_signal_and_distance_are_what_their_words_say() -> None:
    settings = config(init__preset="chrono")
    found, state = xray(settings), TrainState(settings)
    model, batch = state.model, state.probe._batch
    x = model.embed(torch.from_numpy(batch.inputs)).detach()
    other = x.clone()
    other[0] = x[0, [3, 0, 1, 2]]
    twin = build(settings.model, settings.init, settings.task.spec, length=20, seed=1).rnn.double()
    with torch.no_grad():
        h, g = (twin(values.double())[0] for values in (x, other))
        f = found_forget_gates(twin, x.double())
    np.testing.assert_allclose(found.signal["h"], h.square().mean((1, 2)).sqrt(), rtol=1e-4)
    np.testing.assert_allclose(found.distance["h"], (h - g).norm(dim=2).mean(1), rtol=1e-6)
    np.testing.assert_allclose(found.keep, f.mean((0, 1)), rtol=1e-4)
    assert found.memory is not None
    np.testing.assert_allclose(found.memory, 1 / (1 - f.mean((0, 1))), rtol=1e-3)


def found_forget_gates(rnn: torch.nn.LSTM, x: torch.Tensor) -> torch.Tensor:
    h = torch.cat([torch.zeros_like(rnn(x)[0][:1]), rnn(x)[0][:-1]])
    z = x @ rnn.weight_ih_l0.T + rnn.bias_ih_l0 + h @ rnn.weight_hh_l0.T + rnn.bias_hh_l0
    return z.chunk(4, dim=-1)[1].sigmoid()


def test_readings_that_cannot_be_told_apart_are_found() -> None:
    """From that step on, and not before, the two are nearer than half of the last of a number's 24 bits."""
    settings = config(task__length=60, init__preset="small_gaussian")
    found = xray(settings)
    assert found.alike is not None
    size = {state: values * math.sqrt(12) for state, values in found.signal.items()}
    apart = np.any([found.distance[state] > 2.0**-24 * size[state] for state in "hc"], axis=0)
    assert abs(int(np.flatnonzero(apart)[-1]) + 1 - found.alike) <= 1  # the mean of norms is not quite the root mean
    assert xray(config(task__length=60, init__preset="chrono")).alike is None


def test_a_backward_direction_is_told_in_the_order_in_which_it_reads() -> None:
    settings = RunConfig.model_validate(
        {
            "task": {"name": "sentiment"},
            "model": {"hidden_size": 8, "bidirectional": True},
            "init": {"preset": "chrono"},
        }
    )
    forward, backward = xray(settings), xray(settings, "l0.bwd")
    assert forward.read == backward.read < settings.task.time_steps
    assert backward.reach["h"].exact[0] > backward.reach["h"].exact[backward.read - 1] > 0
    assert backward.ratio("h") == backward.reach["h"].exact[backward.read - 1] / backward.reach["h"].exact[0]
    assert backward.distance["h"][backward.read - 1] > 0 == backward.distance["h"][-1]


def test_no_gradient_at_all_is_no_ratio() -> None:
    assert math.isnan(xray(config(init__preset="all_equal")).ratio("h"))


def test_what_grows_beyond_all_numbers_is_still_measured() -> None:
    found = xray(config(model__cell="rnn_relu", init__preset="large_gaussian", task__length=300))
    assert not np.isfinite(found.signal["h"][-1])
    assert set(found.weights) == {"weight_ih.h", "weight_hh.h"}


@pytest.mark.parametrize("cell", CELLS)
def test_the_same_settings_give_the_same_numbers_and_leave_no_mark(cell: str) -> None:
    stream = torch.get_rng_state()
    one, two = (xray(config(model__cell=cell, model__num_layers=2, model__dropout=0.4), "l1.fwd") for _ in range(2))
    assert torch.equal(stream, torch.get_rng_state())
    for state in one.reach:
        np.testing.assert_array_equal(one.reach[state].exact, two.reach[state].exact)


def test_a_layer_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"no layer 'l1\.fwd'; choose one of l0\.fwd\."):
        xray(config(), "l1.fwd")


def test_files_can_be_brought_along() -> None:
    """A process that does not know the file measures all the same once it is given; without it says what is missing."""
    task = ready("csv")
    settings = RunConfig.model_validate({"task": task.model_dump(), "model": {"hidden_size": 4}})
    data = files.read(task.file)
    code = (
        "import pickle, sys; from lstm_core.xray import xray;"
        "assert 'torch' not in sys.modules;"
        "settings, data = pickle.load(sys.stdin.buffer);"
        "found = [];\n"
        "try: xray(settings)\n"
        "except ValueError as error: found.append(type(error).__name__)\n"
        "found.append(xray(settings, '', [data]).steps); print(found)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((settings, data)),
        capture_output=True,
        cwd=Path(__file__).parent.parent.parent,
        check=True,
    )
    assert done.stdout.decode().strip() == f"['FileMissing', {settings.task.time_steps}]"
    assert issubclass(FileProblem, ValueError)
