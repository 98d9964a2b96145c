"""What snapshots tell of weights, units, updates and validation samples, each against NumPy or torch by themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lstm_core import RunConfig, trace
from lstm_core.cells import CELLS
from lstm_core.inspection import BINS, LARGEST, WHOLE, histograms, most_looked, spectra, stuck
from lstm_core.recurrent import make
from lstm_core.tasks.base import IGNORED
from lstm_core.training import Snapshot, Step, TrainState, train
from lstm_core.updates import EVERY


def blocks(rnn: nn.RNNBase, name: str, gates: str) -> dict[str, np.ndarray[Any, Any]]:
    return dict(zip(gates, np.split(getattr(rnn, name).detach().numpy(), len(gates)), strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_weights_are_counted_as_numpy_counts(cell: str) -> None:
    torch.manual_seed(1)
    rnn = make(cell, 3, 7, num_layers=2, bidirectional=True)
    found = histograms(rnn)
    for layer, suffix in {"l0.fwd": "l0", "l0.bwd": "l0_reverse", "l1.bwd": "l1_reverse"}.items():
        for block in ("weight_ih", "weight_hh"):
            of_gates = blocks(rnn, f"{block}_{suffix}", CELLS[cell].gates)
            reach = float(found[f"range/weights/{layer}.{block}"][0])
            largest = max(float(np.abs(values).max()) for values in of_gates.values())
            assert largest <= reach < 2 * largest
            assert np.log2(reach) % 1 == 0
            spread = [values.astype(np.float64).std() for values in of_gates.values()]
            np.testing.assert_allclose(found[f"spread/{layer}.{block}"], spread, rtol=1e-6)
            for gate, values in of_gates.items():
                counts, _ = np.histogram(values, bins=BINS, range=(-reach, reach))
                stored = found[f"weights/{layer}.{block}.{gate}"]
                assert stored.dtype == np.uint16
                np.testing.assert_array_equal(stored, np.rint(counts * (WHOLE / values.size)))


def test_weights_that_are_all_alike_or_beyond_all_numbers_are_counted_too() -> None:
    rnn = nn.LSTM(2, 3)
    with torch.no_grad():
        rnn.get_parameter("weight_hh_l0").zero_()
        rnn.get_parameter("weight_ih_l0").fill_(float("inf"))
    found = histograms(rnn)
    assert found["weights/l0.fwd.weight_hh.f"][BINS // 2] == WHOLE
    assert found["weights/l0.fwd.weight_ih.f"][BINS // 2 :].sum() == WHOLE
    assert all(np.isfinite(values).all() for values in found.values())


@pytest.mark.parametrize(("cell", "projection"), [("lstm", 0), ("lstm", 4), ("gru", 0), ("rnn_tanh", 0)])
def test_singular_values_are_those_of_numpy(cell: str, projection: int) -> None:
    torch.manual_seed(2)
    rnn = make(cell, 3, 9, bidirectional=True, proj_size=projection)
    found = spectra(rnn)
    for layer, suffix in (("l0.fwd", "l0"), ("l0.bwd", "l0_reverse")):
        for gate, values in blocks(rnn, f"weight_hh_{suffix}", CELLS[cell].gates).items():
            expected = np.linalg.svd(values.astype(np.float64), compute_uv=False)
            np.testing.assert_allclose(found[f"spectrum/{layer}.{gate}"], expected, rtol=1e-5, atol=1e-6)


def test_singular_values_that_are_rounding_are_zero_and_large_layers_have_none() -> None:
    rnn = nn.LSTM(2, 5)
    nn.init.constant_(rnn.get_parameter("weight_hh_l0"), 0.1)
    np.testing.assert_allclose(spectra(rnn)["spectrum/l0.fwd.f"], [0.5, 0, 0, 0, 0], rtol=1e-6, atol=0)
    assert spectra(nn.LSTM(1, LARGEST + 1)) == {}
    nn.init.constant_(rnn.get_parameter("weight_hh_l0"), float("nan"))
    assert spectra(rnn) == {}


def test_units_are_stuck_where_their_gates_are() -> None:
    """Unit by unit in a loop over every step that a sequence has."""
    torch.manual_seed(3)
    rnn, x, lengths = nn.LSTM(2, 5), 40 * torch.randn(6, 3, 2), torch.tensor([6, 4, 1])
    traces = trace(rnn, x, lengths=lengths)
    found = stuck(traces, "ifo", lengths)
    for gate in "ifo":
        for unit in range(5):
            values = [float(traces["l0.fwd"][gate][t, b, unit]) for b in range(3) for t in range(int(lengths[b]))]
            for name, beyond in (("low", [v < 0.1 for v in values]), ("high", [v > 0.9 for v in values])):
                assert found[f"stuck/l0.fwd.{gate}.{name}"][unit] == round(255 * sum(beyond) / len(values))
    assert max(values.max() for values in found.values()) > 0


def test_the_most_that_an_input_is_looked_at() -> None:
    weights = np.array([[1, 0, 0, 0], [0.2, 0.8, 0, 0], [0.5, 0.1, 0.4, 0], [9, 9, 9, 9]], np.float32)
    np.testing.assert_allclose(most_looked(weights, True, 3, 3), [0.5, 0.8, 0.4, 0])
    np.testing.assert_allclose(most_looked(weights, False, 3, 3), [1, 0.8, 0.4, 0])


def played(settings: dict[str, Any]) -> tuple[TrainState, list[Snapshot]]:
    config = RunConfig.model_validate(settings)
    state = TrainState(config)
    items = [item for step in range(config.training.steps + 1) for item in train(config, state, until=step)]
    return state, [item for item in items if isinstance(item, Snapshot)]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_update_is_measured_against_the_weights(optimizer: str) -> None:
    """From two copies of the parameters, one before and one after the step."""
    config = RunConfig.model_validate(
        {"task": {"length": 5}, "model": {"hidden_size": 4}, "training": {"steps": 12, "optimizer": optimizer}}
    )
    state = TrainState(config)
    for step in range(12):
        before = {name: value.detach().clone() for name, value in state.model.named_parameters()}
        items = list(train(config, state, until=step, snapshot_seconds=1e9))
        scalars = next(item.scalars for item in items if isinstance(item, Step))
        ratios = {name: value for name, value in scalars.items() if name.startswith("update_ratio/")}
        assert bool(ratios) == (step % EVERY == 0)
        if not ratios:
            continue
        after = {name: value.detach() for name, value in state.model.named_parameters()}
        whole, moved = before["head.weight"], (after["head.weight"] - before["head.weight"])
        bias_moved = after["head.bias"] - before["head.bias"]
        expected = torch.sqrt((moved**2).sum() + (bias_moved**2).sum())
        expected = expected / torch.sqrt((whole**2).sum() + (before["head.bias"] ** 2).sum())
        assert ratios["update_ratio/head"] == pytest.approx(float(expected), rel=1e-4)
        f = slice(4, 8)
        change = (after["rnn.weight_hh_l0"] - before["rnn.weight_hh_l0"])[f].norm()
        assert ratios["update_ratio/l0.fwd.weight_hh.f"] == pytest.approx(
            float(change / before["rnn.weight_hh_l0"][f].norm()), rel=1e-4
        )
        assert not any(".bias" in name for name in ratios)


@pytest.mark.parametrize("name", ["digits", "tagging", "reversing", "adding"])
def test_the_gallery_is_what_the_network_says_to_these_sequences(name: str) -> None:
    """Each sequence by itself, and in the words of the task."""
    settings = {"task": {"name": name}, "model": {"hidden_size": 5}, "training": {"steps": 1}}
    state, snapshots = played(settings)
    gallery, part = state.about["gallery"], state.data.validation
    assert 4 <= len(gallery) <= 24
    batch = state.probe._gallery._batch
    arrays = snapshots[-1].arrays
    for row, told in enumerate(gallery):
        alone = batch.take(slice(row, row + 1))
        lengths = None if alone.lengths is None else torch.from_numpy(alone.lengths)
        given = torch.from_numpy(alone.targets)
        with torch.no_grad():
            said = state.model(torch.from_numpy(alone.inputs), lengths, targets=given).prediction[0]
        assert any(np.array_equal(alone.inputs[0], known) for known in part.inputs)
        assert told["target"] == state.task.samples(alone)[0].target
        if name == "adding":
            assert arrays["gallery/prediction"][row] == pytest.approx(float(said[0]), abs=1e-5)
            continue
        sure, best = said.softmax(-1).max(-1)
        asked = torch.from_numpy(alone.targets[0] != IGNORED) if alone.targets.ndim > 1 else torch.tensor(True)
        asked = torch.as_tensor(asked)
        np.testing.assert_array_equal(arrays["gallery/answer"][row][asked.numpy()], best[asked].numpy().squeeze())
        assert arrays["gallery/confidence"][row] == pytest.approx(float(sure[asked].mean()), abs=1e-5)


def test_each_class_is_in_the_gallery() -> None:
    state, _ = played({"task": {"name": "digits"}, "model": {"hidden_size": 3}, "training": {"steps": 1}})
    assert {told["target"] for told in state.about["gallery"]} == set("0123456789")


def test_which_class_is_taken_for_which_is_counted_at_validations() -> None:
    settings = {
        "task": {"name": "digits"},
        "model": {"hidden_size": 6},
        "training": {"steps": 6, "validate_every": 4},
    }
    state, snapshots = played(settings)
    part = state.data.validation
    lines = [int(snapshot.arrays["validation/step"][0]) for snapshot in snapshots]
    assert lines == [0, 0, 0, 0, 4, 4, 6]
    with torch.no_grad():
        said = state.model(torch.from_numpy(part.inputs)).prediction.argmax(-1).numpy()
    expected = np.zeros((10, 10), int)
    for right, answer in zip(part.targets, said, strict=True):
        expected[right, answer] += 1
    np.testing.assert_array_equal(snapshots[-1].arrays["confusion"], expected)
    again = TrainState.load(state.config, state.dump())
    np.testing.assert_array_equal(again.probe.snapshot(6).arrays["confusion"], expected)
    assert "confusion" in state.about["measures"]
    many, _ = played({"task": {"name": "dates"}, "model": {"hidden_size": 3}, "training": {"steps": 1}})
    assert "confusion" not in many.about["measures"]
