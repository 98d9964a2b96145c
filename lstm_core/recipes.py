"""How the first weights are drawn, as settings: one class per scheme, the presets by name.

`initializers.py` does the drawing. A new scheme is one class here and one function there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Discriminator, model_validator

from lstm_core.cells import Kernel
from lstm_core.settings import FILE_ID, Settings, setting


class PyTorch(Settings):
    """U(−1/√H, 1/√H) for recurrent layers; a head or an attention keeps the default of its own layer."""

    scheme: Literal["pytorch"] = "pytorch"


class Zeros(Settings):
    scheme: Literal["zeros"] = "zeros"


class Constant(Settings):
    scheme: Literal["constant"] = "constant"
    value: float = setting(0.1, "Value", "Every entry gets this value.", ge=-10, le=10, step=0.05)


class Uniform(Settings):
    scheme: Literal["uniform"] = "uniform"
    low: float = setting(-0.1, "Low", "The smallest value that can be drawn.", ge=-10, le=10, step=0.05)
    high: float = setting(0.1, "High", "The largest value that can be drawn.", ge=-10, le=10, step=0.05)

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.low > self.high:
            raise ValueError(f"low is {self.low} and high is {self.high}; choose low at most as large as high")
        return self


class Normal(Settings):
    scheme: Literal["normal"] = "normal"
    mean: float = setting(0.0, "Mean", "The centre of the bell curve.", ge=-10, le=10, step=0.05)
    std: float = setting(0.1, "Standard deviation", "The width of the bell curve.", ge=0, le=10, step=0.05)


class TruncatedNormal(Normal):
    """A normal distribution of which nothing beyond two standard deviations is kept."""

    scheme: Literal["truncated_normal"] = "truncated_normal"  # type: ignore[assignment]


class XavierUniform(Settings):
    scheme: Literal["xavier_uniform"] = "xavier_uniform"
    gain: float = setting(1.0, "Gain", "Multiplies the spread.", gt=0, le=10, step=0.1)


class XavierNormal(XavierUniform):
    scheme: Literal["xavier_normal"] = "xavier_normal"  # type: ignore[assignment]


class KaimingUniform(Settings):
    scheme: Literal["kaiming_uniform"] = "kaiming_uniform"
    a: float = setting(0.0, "Negative slope", "Slope of the leaky ReLU it is meant for.", ge=0, le=10, step=0.1)
    mode: Literal["fan_in", "fan_out"] = setting(
        "fan_in", "Mode", "Whether signals forward (fan in) or gradients backward (fan out) keep their size."
    )
    nonlinearity: Literal["relu", "leaky_relu", "tanh", "sigmoid", "linear"] = setting(
        "relu", "Nonlinearity", "The activation whose gain is used."
    )


class KaimingNormal(KaimingUniform):
    scheme: Literal["kaiming_normal"] = "kaiming_normal"  # type: ignore[assignment]


class Orthogonal(Settings):
    scheme: Literal["orthogonal"] = "orthogonal"
    gain: float = setting(1.0, "Gain", "Every singular value gets this size.", gt=0, le=10, step=0.1)


class Identity(Settings):
    scheme: Literal["identity"] = "identity"
    scale: float = setting(1.0, "Scale", "The value on the diagonal; all others are 0.", ge=-10, le=10, step=0.1)


class Sparse(Settings):
    scheme: Literal["sparse"] = "sparse"
    sparsity: float = setting(0.9, "Sparsity", "The share of zeros in every column.", ge=0, lt=1, step=0.05)
    std: float = setting(0.1, "Standard deviation", "Spread of the entries that are not 0.", ge=0, le=10, step=0.05)


Recipe = Annotated[
    PyTorch
    | Zeros
    | Constant
    | Uniform
    | Normal
    | TruncatedNormal
    | XavierUniform
    | XavierNormal
    | KaimingUniform
    | KaimingNormal
    | Orthogonal
    | Identity
    | Sparse,
    Discriminator("scheme"),
]


class BiasPyTorch(Settings):
    """Both bias vectors from U(−1/√H, 1/√H), as `nn.LSTM` does; the cell sees their sum."""

    scheme: Literal["pytorch"] = "pytorch"


class BiasZeros(Settings):
    scheme: Literal["zeros"] = "zeros"


class BiasConstant(Settings):
    scheme: Literal["constant"] = "constant"
    value: float = setting(0.1, "Bias", "The effective bias of every gate.", ge=-20, le=20, step=0.1)


class BiasForget(Settings):
    """Zero but for the forget gate (Gers et al., 2000; Jozefowicz et al., 2015)."""

    scheme: Literal["forget"] = "forget"
    value: float = setting(
        1.0, "Forget bias", "The effective bias of the forget gate: larger remembers longer.", ge=-20, le=20, step=0.5
    )


class BiasChrono(Settings):
    """b_f = log U[1, T_max − 1], b_i = −b_f: memories of all lengths up to T_max (Tallec & Ollivier, 2018)."""

    scheme: Literal["chrono"] = "chrono"
    t_max: int | None = setting(
        None, "T_max", "The longest memory in steps; empty means the length of the sequence.", ge=3, le=100_000
    )


BiasRecipe = Annotated[BiasPyTorch | BiasZeros | BiasConstant | BiasForget | BiasChrono, Discriminator("scheme")]


class Parts(Settings):
    """A complete initialization: what a preset stands for once every part is decided."""

    weight_ih: Recipe = PyTorch()
    weight_hh: Recipe = PyTorch()
    bias: BiasRecipe = BiasPyTorch()
    head: Recipe = PyTorch()
    attention: Recipe = PyTorch()
    per_gate: bool = False


PRESETS: Mapping[str, Parts] = MappingProxyType(
    {
        "pytorch": Parts(),
        "keras": Parts(
            weight_ih=XavierUniform(), weight_hh=Orthogonal(), bias=BiasForget(value=1.0), head=XavierUniform()
        ),
        "small_gaussian": Parts(weight_ih=Normal(std=0.01), weight_hh=Normal(std=0.01), bias=BiasZeros()),
        "large_gaussian": Parts(weight_ih=Normal(std=1.0), weight_hh=Normal(std=1.0), bias=BiasZeros()),
        "all_equal": Parts(
            weight_ih=Constant(value=0.1),
            weight_hh=Constant(value=0.1),
            bias=BiasZeros(),
            head=Constant(value=0.1),
            attention=Constant(value=0.1),
        ),
        "irnn": Parts(weight_ih=Normal(std=0.001), weight_hh=Identity(), bias=BiasZeros(), per_gate=True),
        "orthogonal": Parts(
            weight_ih=XavierUniform(), weight_hh=Orthogonal(), bias=BiasForget(value=1.0), per_gate=True
        ),
        "chrono": Parts(weight_ih=XavierUniform(), weight_hh=Orthogonal(), bias=BiasChrono(), per_gate=True),
    }
)

PRESET_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "pytorch": "PyTorch default",
        "keras": "Keras default",
        "small_gaussian": "Small Gaussian",
        "large_gaussian": "Too-large Gaussian",
        "all_equal": "All equal",
        "irnn": "IRNN",
        "orthogonal": "Orthogonal",
        "chrono": "Chrono",
    }
)


class InitConfig(Settings):
    """The first weights: a preset, and on top of it every part one wants otherwise."""

    preset: Literal[
        "pytorch", "keras", "small_gaussian", "large_gaussian", "all_equal", "irnn", "orthogonal", "chrono"
    ] = setting(
        "pytorch",
        "Initializer",
        "How the first weights are drawn, before any training.",
        essential=True,
        choices=PRESET_TITLES,
    )
    weight_ih: Recipe | None = setting(None, "Input weights", "How the weights from the input are drawn.")
    weight_hh: Recipe | None = setting(None, "Recurrent weights", "How the weights from the last state are drawn.")
    bias: BiasRecipe | None = setting(
        None, "Biases", "The effective bias of the gates: the sum of the two vectors PyTorch keeps."
    )
    head: Recipe | None = setting(None, "Output layer", "How the weights of the last layer are drawn.")
    attention: Recipe | None = setting(None, "Attention weights", "How the weights of the attention are drawn.")
    per_gate: bool | None = setting(
        None, "Per gate", "Draw each gate's matrix by itself: its fan and its spectrum differ from the stacked one's."
    )

    weights: str | None = setting(
        None,
        "First weights from a file",
        "Start from the weights of an earlier run or of a file; they take the place of what is drawn.",
        pattern=FILE_ID,
        file="weights",
    )

    def parts(self, kernel: Kernel = "LSTM") -> Parts:
        """The preset with every part that is set here in its place.

        A preset's forget bias is an LSTM's; a GRU and a simple RNN get biases of 0 instead, as Keras gives them.
        """
        own: dict[str, Any] = {name: getattr(self, name) for name in Parts.model_fields}
        preset = PRESETS[self.preset]
        if kernel != "LSTM" and isinstance(preset.bias, BiasForget):
            preset = preset.model_copy(update={"bias": BiasZeros()})
        return preset.model_copy(update={k: v for k, v in own.items() if v is not None})
