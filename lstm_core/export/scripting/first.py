"""The first weights of a run as source text: each part drawn by its recipe, from a random stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from lstm_core.cells import CELLS
from lstm_core.config import RunConfig
from lstm_core.recipes import PRESET_TITLES, Parts

STREAMS = '''\
def streams(seed, count):
    """Random streams that do not depend on each other: what one part draws changes nothing in another."""
    seeds = torch.randint(2**62, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
    return [torch.Generator().manual_seed(seed) for seed in seeds]'''

SPARSE = '''\
def sparse_(weight, sparsity, std, generator):
    """A normal distribution of which that share of every column is set to 0."""
    order = torch.rand(weight.shape, generator=generator).argsort(dim=0)
    init.normal_(weight, 0.0, std, generator=generator)
    weight.scatter_(0, order[: math.ceil(sparsity * len(weight))], 0.0)'''

Scheme = Callable[[Any, str, str], str]  # of a recipe, the weight and the stream


def _kaiming(name: str) -> Scheme:
    return lambda r, w, g: f'init.{name}_({w}, {r.a!r}, "{r.mode}", "{r.nonlinearity}", generator={g})'


def _truncated(recipe: Any, weight: str, stream: str) -> str:
    mean, std = recipe.mean, recipe.std
    if std == 0:
        return f"init.constant_({weight}, {mean!r})"
    bounds = f"{mean - 2 * std!r}, {mean + 2 * std!r}"
    return f"init.trunc_normal_({weight}, {mean!r}, {std!r}, {bounds}, generator={stream})"


def _default(_: Any, weight: str, stream: str) -> str:
    return f"init.uniform_({weight}, -bound, bound, generator={stream})"


SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "pytorch": _default,
        "zeros": lambda _r, w, _g: f"init.zeros_({w})",
        "constant": lambda r, w, _g: f"init.constant_({w}, {r.value!r})",
        "uniform": lambda r, w, g: f"init.uniform_({w}, {r.low!r}, {r.high!r}, generator={g})",
        "normal": lambda r, w, g: f"init.normal_({w}, {r.mean!r}, {r.std!r}, generator={g})",
        "truncated_normal": _truncated,
        "xavier_uniform": lambda r, w, g: f"init.xavier_uniform_({w}, {r.gain!r}, generator={g})",
        "xavier_normal": lambda r, w, g: f"init.xavier_normal_({w}, {r.gain!r}, generator={g})",
        "kaiming_uniform": _kaiming("kaiming_uniform"),
        "kaiming_normal": _kaiming("kaiming_normal"),
        "orthogonal": lambda r, w, g: f"init.orthogonal_({w}, {r.gain!r}, generator={g})",
        "identity": lambda r, w, _g: f"init.eye_({w}).mul_({r.scale!r})",
        "sparse": lambda r, w, g: f"sparse_({w}, {r.sparsity!r}, {r.std!r}, {g})",
    }
)


def first_weights(config: RunConfig) -> str:
    """Functions that draw the first weights of a `model`; what they draw by stands in the settings of the run."""
    cell, model = CELLS[config.model.cell], config.model
    parts = config.init.parts(cell.kernel)
    decoded = config.task.spec.answers == "decoded"
    recurrent = "\n".join(_recurrent(config, parts))
    seed = ", SEED" if "seed" in recurrent else ""
    learned = model.attention in ("general", "additive")
    linear = [("model.head", "SEED + 1", parts.head), *([("model.attention", "SEED + 2", parts.attention)] * learned)]
    kept = "; an embedding keeps those that it was made with" if config.task.spec.vocabulary else ""
    lines = [
        "@torch.no_grad()",
        "def draw_weights(model):",
        f'    """The first weights ({PRESET_TITLES[config.init.preset]}){kept}."""',
        f"    draw_recurrent(model.rnn{seed})",
        *(line for module, seed, recipe in linear for line in _linear(module, seed, recipe, model.attention)),
        *([f"    draw_recurrent(model.decoder{seed and ', SEED + 3'})"] if decoded else []),
    ]
    text = [recurrent, "\n".join(lines)]
    helpers = [STREAMS] * any("streams(" in part for part in text) + [SPARSE] * any("sparse_(" in part for part in text)
    return "\n\n\n".join([*helpers, *text])


def _recurrent(config: RunConfig, parts: Parts) -> list[str]:
    """Layer by layer, forward before backward: the order in which torch has the parameters."""
    cell = CELLS[config.model.cell]
    drawn = {
        "weight_ih": _matrix(parts.weight_ih, cell.gates if parts.per_gate else "", "for_input"),
        "weight_hh": _matrix(parts.weight_hh, cell.gates if parts.per_gate else "", "for_state"),
    }
    if config.model.proj_size:
        drawn["weight_hr"] = _matrix(parts.weight_hh, "", "for_state")
    if config.model.bias:
        drawn["bias_ih"] = _bias(parts.bias, cell.gates, cell.keep or "", config.task.time_steps, "for_bias")
        drawn["bias_hh"] = drawn["bias_ih"] if parts.bias.scheme == "pytorch" else ["init.zeros_(parameter)"]
    bodies: dict[tuple[str, ...], list[str]] = {}
    for name, lines in drawn.items():
        bodies.setdefault(tuple(lines), []).append(name)
    body: list[str] = []
    for number, (drawing_lines, names) in enumerate(bodies.items()):
        said = f'("{names[0]}")' if len(names) == 1 else f"(({', '.join(map(_quoted, names))}))"
        test = "else" if number == len(bodies) - 1 else f"{'elif' if number else 'if'} name.startswith{said}"
        body += [f"        {test}:  # {' and '.join(names)}" if test == "else" else f"        {test}:"] * (
            len(bodies) > 1
        )
        body += [("            " if len(bodies) > 1 else "        ") + line for line in drawing_lines]
    streams = [name if any(name in line for line in body) else "_" for name in ("for_input", "for_state", "for_bias")]
    drawing = set(streams) != {"_"}
    loop = "for name, parameter in rnn.named_parameters():" if len(bodies) > 1 else "for parameter in rnn.parameters():"
    return [
        "@torch.no_grad()",
        f"def draw_recurrent(rnn{', seed' * drawing}):",
        '    """The first weights of a recurrent network, layer by layer."""',
        *([f"    {', '.join(streams)} = streams(seed, 3)"] * drawing),
        *(["    bound = 1 / math.sqrt(rnn.hidden_size)"] * any("bound" in line for line in body)),
        f"    {loop}",
        *body,
    ]


def _matrix(recipe: Any, gates: str, stream: str) -> list[str]:
    """How a matrix of weights is drawn, at once or gate by gate."""
    if len(gates) < 2:
        return [SCHEMES[recipe.scheme](recipe, "parameter", stream)]
    draw = SCHEMES[recipe.scheme](recipe, "gate", stream)
    return [f"for gate in parameter.chunk({len(gates)}):  # {', '.join(gates)}", f"    {draw}"]


def _bias(recipe: Any, gates: str, keep: str, length: int, stream: str) -> list[str]:
    """The effective bias is the sum of both vectors: it is put into the first, and the second is 0."""
    if recipe.scheme == "pytorch":
        return [_default(recipe, "parameter", stream)]
    if recipe.scheme == "zeros":
        return ["init.zeros_(parameter)"]
    if recipe.scheme == "constant":
        return [f"init.constant_(parameter, {recipe.value!r})"]
    wanted = {keep, "i"} if recipe.scheme == "chrono" else {keep}
    unpacked = ", ".join(gate if gate in wanted else "_" for gate in gates)
    lines = ["init.zeros_(parameter)", f"{unpacked} = parameter.chunk({len(gates)})  # {', '.join(gates)}"]
    if recipe.scheme == "forget":
        return [*lines, f"init.constant_({keep}, {recipe.value!r})  # the gate that keeps the old state"]
    longest = (recipe.t_max or length) - 1.0
    lines.append(f"init.uniform_({keep}, 1.0, {longest!r}, generator={stream}).log_()")
    return [*lines, *([f"i.copy_(-{keep})"] * ("i" in gates))]


def _quoted(name: str) -> str:
    return f'"{name}"'


def _linear(module: str, seed: str, recipe: Any, attention: str) -> list[str]:
    """The weights of a head or an attention; its biases are 0, or as torch draws them by default."""
    parts = [module]
    if module == "model.attention":
        parts = [f"{module}.{name}" for name in {"general": ["key"], "additive": ["query", "key", "score"]}[attention]]
    biases = ("model.head", "model.attention.query")
    draws = "stream" in SCHEMES[recipe.scheme](recipe, "", "stream")
    lines = [f"    (stream,) = streams({seed}, 1)"] if draws else []
    for part in parts:
        if recipe.scheme == "pytorch":
            bound = f"1 / math.sqrt({part}.in_features)"
            if lines[-1] != f"    bound = {bound}":
                lines.append(f"    bound = {bound}")
            names = ["weight", "bias"] if part in biases else ["weight"]
            lines += [f"    init.uniform_({part}.{name}, -bound, bound, generator=stream)" for name in names]
        else:
            lines.append("    " + SCHEMES[recipe.scheme](recipe, f"{part}.weight", "stream"))
            lines += [f"    init.zeros_({part}.bias)"] * (part in biases)
    return lines
