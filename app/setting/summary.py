"""What the settings amount to, worked out on paper: the parameters' shapes and number, how long a cell remembers."""

from __future__ import annotations

import math

from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.recipes import BiasChrono, BiasConstant, BiasForget

Shape = tuple[int, ...]
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
KEEPING = {"f": "forget gate", "z": "update gate"}


def shapes(config: RunConfig) -> dict[str, Shape]:
    """Every parameter's shape by its name in the model, without building it (`torch.nn.LSTM`, section Variables)."""
    model, spec = config.model, config.task.spec
    directions = 2 if model.bidirectional else 1
    width = (model.proj_size or model.hidden_size) * directions
    found: dict[str, Shape] = {}
    if spec.vocabulary:
        found["embedding.weight"] = (spec.vocabulary, model.embedding_size)
    inputs = model.embedding_size if spec.vocabulary else spec.features or 1
    found |= _recurrent("rnn", config, inputs, model.hidden_size, model.proj_size, directions)
    found |= _attention(model.attention, width)
    found["head.weight"] = (spec.outputs, width * (1 if model.attention == "none" else 2))
    found["head.bias"] = (spec.outputs,)
    if spec.answers == "decoded":  # as wide as both directions together, and one sign more: «begin»
        found["target_embedding.weight"] = (spec.outputs + 1, model.embedding_size)
        hidden, projected = model.hidden_size * directions, model.proj_size * directions
        found |= _recurrent("decoder", config, model.embedding_size, hidden, projected)
    return found


def _recurrent(
    name: str, config: RunConfig, inputs: int, hidden: int, projected: int, directions: int = 1
) -> dict[str, Shape]:
    """Recurrent layers: for every gate `hidden` rows in each matrix and in both biases."""
    model, width = config.model, projected or hidden
    rows = len(CELLS[model.cell].gates) * hidden
    found: dict[str, Shape] = {}
    for layer in range(model.num_layers):
        below = width * directions if layer else inputs
        for suffix in (f"_l{layer}", f"_l{layer}_reverse")[:directions]:
            found[f"{name}.weight_ih{suffix}"] = (rows, below)
            found[f"{name}.weight_hh{suffix}"] = (rows, width)
            if model.bias:
                found[f"{name}.bias_ih{suffix}"] = found[f"{name}.bias_hh{suffix}"] = (rows,)
            if projected:
                found[f"{name}.weight_hr{suffix}"] = (projected, hidden)
    return found


def _attention(kind: str, width: int) -> dict[str, Shape]:
    """What attention over outputs of this width has to learn; a dot product has nothing."""
    if kind == "general":
        return {"attention.key.weight": (width, width)}
    if kind == "additive":
        return {
            "attention.query.weight": (width, width),
            "attention.query.bias": (width,),
            "attention.key.weight": (width, width),
            "attention.score.weight": (1, width),
        }
    return {}


def parameter_count(config: RunConfig) -> int:
    """How many numbers are learned."""
    return sum(math.prod(shape) for shape in shapes(config).values())


def memory(config: RunConfig) -> str:
    """In words, how long a cell remembers before any training: 1 / (1 − k) steps for a gate k that keeps the state.

    k = σ(effective bias) is f of an LSTM and z of a GRU; a simple RNN has no such gate.
    """
    keep = CELLS[config.model.cell].keep
    if config.init.weights:
        return "the first weights come from a file"
    if keep is None:
        return "no gate keeps the state, so how long it is remembered is up to the recurrent weights"
    gate = KEEPING[keep]
    bias = config.init.parts().bias
    if not config.model.bias:
        return f"no biases: the {gate} starts near 0.5 and remembers about 2 steps"
    if isinstance(bias, BiasChrono):
        return f"{gate}s start spread out, to remember from 2 to {bias.t_max or config.task.time_steps} steps"
    value = bias.value if isinstance(bias, BiasForget | BiasConstant) else 0.0
    share = 1 / (1 + math.exp(-value))
    steps = 1 + math.exp(value)
    kind = f"σ({value:g})".replace("-", "−")
    start = f"{gate} starts {'near' if value == 0 else 'at'} {kind} = {share:.2f}"
    return f"{start}: remembers about {three(steps)} steps"


def three(value: float) -> str:
    """A number with three significant digits: 3.72, 4.85 × 10⁸."""
    if value < 1000:
        return f"{value:.3g}"
    digits, power = f"{value:.2e}".split("e")
    return f"{digits} × 10{str(int(power)).translate(SUPERSCRIPTS)}"


def sentence(config: RunConfig) -> str:
    """One line on what Train would start."""
    count = f"{parameter_count(config):,}".replace(",", "\u202f")
    return f"{count} parameters, {config.task.time_steps} time steps; {memory(config)}."
