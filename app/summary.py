"""What the settings amount to, worked out on paper: the parameters' shapes and number, how long a cell remembers."""

from __future__ import annotations

import math

from lstm_core.config import RunConfig
from lstm_core.recipes import BiasChrono, BiasConstant, BiasForget

Shape = tuple[int, ...]
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def shapes(config: RunConfig) -> dict[str, Shape]:
    """Every parameter's shape by its name in the model, without building it (`torch.nn.LSTM`, section Variables)."""
    model, spec = config.model, config.task.spec
    gates, hidden = 4 * model.hidden_size, model.proj_size or model.hidden_size
    directions = ["", "_reverse"] if model.bidirectional else [""]
    width = hidden * len(directions)
    found: dict[str, Shape] = {}
    if spec.vocabulary:
        found["embedding.weight"] = (spec.vocabulary, model.embedding_size)
    for layer in range(model.num_layers):
        below = width if layer else (model.embedding_size if spec.vocabulary else spec.features or 1)
        for suffix in (f"_l{layer}{direction}" for direction in directions):
            found[f"rnn.weight_ih{suffix}"] = (gates, below)
            found[f"rnn.weight_hh{suffix}"] = (gates, hidden)
            if model.bias:
                found[f"rnn.bias_ih{suffix}"] = found[f"rnn.bias_hh{suffix}"] = (gates,)
            if model.proj_size:
                found[f"rnn.weight_hr{suffix}"] = (model.proj_size, model.hidden_size)
    if model.attention == "additive":
        found |= {
            "attention.query.weight": (width, width),
            "attention.query.bias": (width,),
            "attention.key.weight": (width, width),
            "attention.score.weight": (1, width),
        }
    found["head.weight"] = (spec.outputs, width * (1 if model.attention == "none" else 2))
    found["head.bias"] = (spec.outputs,)
    return found


def parameter_count(config: RunConfig) -> int:
    """How many numbers are learned."""
    return sum(math.prod(shape) for shape in shapes(config).values())


def memory(config: RunConfig) -> str:
    """In words, how long a cell remembers before any training: 1 / (1 − f) steps, with f = σ(effective forget bias)."""
    bias = config.init.parts().bias
    if not config.model.bias:
        return "no biases: the forget gate starts near 0.5 and remembers about 2 steps"
    if isinstance(bias, BiasChrono):
        return f"forget gates start spread out, to remember from 2 to {bias.t_max or config.task.time_steps} steps"
    value = bias.value if isinstance(bias, BiasForget | BiasConstant) else 0.0
    forget = 1 / (1 + math.exp(-value))
    steps = 1 + math.exp(value)
    kind = f"σ({value:g})".replace("-", "−")
    start = f"forget gate starts {'near' if value == 0 else 'at'} {kind} = {forget:.2f}"
    return f"{start}: remembers about {_three(steps)} steps"


def _three(value: float) -> str:
    """A number with three significant digits: 3.72, 4.85 × 10⁸."""
    if value < 1000:
        return f"{value:.3g}"
    digits, power = f"{value:.2e}".split("e")
    return f"{digits} × 10{str(int(power)).translate(SUPERSCRIPTS)}"


def sentence(config: RunConfig) -> str:
    """One line on what Train would start."""
    count = f"{parameter_count(config):,}".replace(",", "\u202f")
    return f"{count} parameters, {config.task.time_steps} time steps; {memory(config)}."
