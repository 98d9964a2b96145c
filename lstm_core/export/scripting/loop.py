"""The training of a run as source text: the loop on one screen, the validation, the curve as CSV."""

from __future__ import annotations

from lstm_core.export.scripting.data import DataPart
from lstm_core.export.scripting.history import History
from lstm_core.export.scripting.network import AT_ONCE, Network
from lstm_core.groups import TrainingConfig
from lstm_core.tasks.base import Spec

OPTIMIZERS = {
    "sgd": ("SGD", ("momentum", "weight_decay"), "fused=True"),
    "rmsprop": ("RMSprop", ("momentum", "weight_decay"), "foreach=True"),
    "adam": ("Adam", ("weight_decay",), "fused=True"),
    "adamw": ("AdamW", ("weight_decay",), "fused=True"),
}


class Loop:
    """Writes what trains; `spec`, `data` and `network` say what there is to train."""

    def __init__(
        self, spec: Spec, data: DataPart, network: Network, history: History, files: list[str], drawn: bool
    ) -> None:
        self.spec, self.data, self.network, self.history = spec, data, network, history
        self.files, self.drawn = files, drawn
        self.loss = self._loss()
        self.rate = self._rate()

    def text(self) -> str:
        parts = [*([self.rate] if self.rate else []), self._validate(), self._train()]
        return "\n\n\n".join(parts)

    # The parts.

    def _loss(self) -> str:
        """The loss of a `prediction` and its `targets`, as a call."""
        if self.spec.loss == "mse":
            return "F.mse_loss({}, targets)"
        if self.spec.answers == "sequence":
            return "F.cross_entropy({}, targets)"
        return "F.cross_entropy({}.flatten(0, -2), targets.flatten())"

    def _rate(self) -> str:
        """A function that gives the learning rate of every step; empty where it is always the same."""
        history = self.history
        kinds = list(dict.fromkeys(history.values("schedule").values()))
        warm = history.ever("warmup")
        if kinds == ["constant"] and not warm:
            return ""
        factor = {
            "constant": "1.0",
            "step": f"0.5 ** (step // {history('halve_every')})" if "step" in kinds else "",
            "cosine": (
                f"0.5 * (1 + math.cos(math.pi * min(step / {history('steps')}, 1)))" if "cosine" in kinds else ""
            ),
        }
        lines = ["def learning_rate(step):"]
        says = {"constant": "the same", "step": "halved now and then", "cosine": "down to 0 along a cosine"}
        about = says[kinds[0]] if len(kinds) == 1 else "as it was changed in the course of the run"
        lines.append(f'    """The learning rate of an update: {about}{", after a warm-up" if warm else ""}."""')
        rate = history("learning_rate")
        if warm:
            lines.append(f"    warm = min(1.0, (step + 1) / max({history('warmup')}, 1))")
            rate += " * warm"
        if len(kinds) == 1:
            lines.append(f"    return {rate}" + (f" * ({factor[kinds[0]]})" if kinds[0] != "constant" else ""))
            return "\n".join(lines)
        schedule = history("schedule")
        for kind in kinds:
            lines.append(f'    if {schedule} == "{kind}":')
            lines.append(
                f"        return {rate} * ({factor[kind]})" if kind != "constant" else f"        return {rate}"
            )
        lines[-2:] = [lines[-1].removeprefix("    ")]
        return "\n".join(lines)

    def _validate(self) -> str:
        network, rows = self.network, self.data.validation_rows
        names = [name for name in self.data.gives if name != "continues"]
        prediction = "model({})" if not network.stream else "model({})[0]"
        call = ", ".join(["inputs", *network.arguments])
        if network.cut and not network.lengths:
            call += ", inputs.shape[1]"
        lines = ["@torch.no_grad()", "def validate(model, validation):", '    """The loss on the validation part."""']
        lines.append("    model.eval()")
        lines.append(f"    {', '.join(names)} = validation")
        if rows > AT_ONCE:
            given = ["inputs", *network.arguments]
            if given == ["inputs"]:
                lines.append(f"    parts = inputs.split({AT_ONCE})")
                one = call.replace("inputs", "part")
            else:
                parts = f"*(part.split({AT_ONCE}) for part in ({', '.join(given)}))"
                lines.append(f"    parts = zip({parts}, strict=True)")
                one = "*part" + call.removeprefix(", ".join(given))
            lines.append(f"    prediction = torch.cat([{prediction.format(one)} for part in parts])")
            lines.append(f"    loss = {self.loss.format('prediction')}.item()")
        else:
            lines.append(f"    loss = {self.loss.format(prediction.format(call))}.item()")
        lines += ["    model.train()", "    return loss"]
        return "\n".join(lines)

    def _optimizer(self, step: int) -> str:
        """The optimizer that is made before the first step, or at another one."""
        name, options, how = OPTIMIZERS[self.history.at(step).optimizer]
        wanted = [
            option for option in options if self.history.ever(option) or name == "AdamW"
        ]  # its own default is 0.01
        given = [f"{option}={self.history(option)}" for option in wanted]
        call = f"torch.optim.{name}({', '.join(['model.parameters()', self.history('learning_rate'), *given, how])})"
        return call if step else call.replace(", step)", ", 0)")

    def _turns(self) -> list[str]:
        """What changes at once where the run goes on from another one with other settings."""
        lines: list[str] = []
        for step, stages in self.history.turns.items():
            before, after = stages[0].config.training, stages[-1].config.training
            body = []
            kinds = [stage.config.training.optimizer for stage in stages]
            if len(set(kinds)) > 1:
                body.append(f"optimizer = {self._optimizer(step)}")
            else:
                body += self._options(before, after)
            if self.network.stream and len({stage.config.training.batch_size for stage in stages}) > 1:
                body.append("state = None")
            if self.history.config.training.patience is not None and step == self.history.stages[-1].begin:
                body.append("best, missed = math.nan, 0")
            if body:
                lines += [f"if step == {step}:  # here the run goes on from another one", *(f"    {x}" for x in body)]
        return lines

    def _options(self, before: TrainingConfig, after: TrainingConfig) -> list[str]:
        """Other settings of an optimizer that keeps what it has gathered."""
        lines = [
            f'optimizer.param_groups[0]["{name}"] = {self.history(name)}'
            for name in OPTIMIZERS[after.optimizer][1]
            if getattr(before, name) != getattr(after, name)
        ]
        if after.optimizer == "rmsprop" and after.momentum and not before.momentum:
            zeros = 'moments.setdefault("momentum_buffer", torch.zeros_like(parameter))'
            lines += ["for parameter, moments in optimizer.state.items():", f"    {zeros}"]
        return lines

    def _train(self) -> str:
        history, network = self.history, self.network
        gives = self.data.gives
        call = ["inputs", *network.arguments]
        if network.cut:
            length = history("bptt_length")
            if network.lengths:
                length = f"bptt_length={length}"
            elif history.ever("bptt_length", lambda value: value is None):
                length += " or inputs.shape[1]"
            call.append(length)
        if network.stream:
            call.append("state if continues else None")
        patience = history.config.training.patience
        body = self._turns()
        body += [f"{', '.join(gives)} = {self.data.fetch}", "optimizer.zero_grad()"]
        if history.config.model.dropout:
            body.append("seed = np.random.SeedSequence([SEED, 6, step]).generate_state(1, np.uint64)")
            body.append("torch.manual_seed(int(seed[0]))  # what dropout draws follows from the step alone")
        answer = f"model({', '.join(call)})"
        if network.stream:
            body.append(f"prediction, state = {answer}")
            body.append(f"state = {network.detached}  # the next batch goes on here, the gradient does not go back")
            body.append(f"loss = {self.loss.format('prediction')}")
        else:
            body.append(f"loss = {self.loss.format(answer)}")
        body += [
            "loss.backward()",
            "gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])",
            "norm = torch.linalg.vector_norm(gradient, dtype=torch.float64).item()  # large ones must not overflow",
            "if not math.isfinite(loss.item() + norm):",
            '    print(f"At step {step} the loss or its gradient is no longer a number: the training ends here.")',
            "    return",
            *self._clip(),
            "",
            "measured = None",
            f"if {self._when()}:",
            "    measured = validate(model, validation)",
            *(f"    {line}" for line in self._best(patience)),
            "yield step, loss.item(), measured",
        ]
        if patience is not None:
            since_step = history.stages[-1].begin
            since = f"step >= {since_step} and " if since_step else ""
            body += [f"if {since}missed >= {self._final('patience')}:", "    return"]
        last = self._last()
        body += [f"if step < {last}:", *(f"    {line}" for line in self._update())]
        begin = self._begin()
        return "\n".join(
            [
                f"def train({', '.join(self.files)}):",
                '    """Train, and give (step, training loss, validation loss or None) for every step from 0 on."""',
                *(f"    {line}" for line in begin),
                f"    for step in range({last} + 1):",
                *(f"        {line}" if line else "" for line in body),
            ]
        )

    def _begin(self) -> list[str]:
        lines = [*self.data.begin]
        lines += ["torch.manual_seed(SEED)", "model = Model()"]
        lines += ["draw_weights(model)"] * self.drawn + ["load_weights(model, weights)"] * ("weights" in self.files)
        lines.append(f"optimizer = {self._optimizer(0)}")
        if self.network.stream:
            lines.append("state = None")
        if self.history.config.training.patience is not None:
            lines.append("best, missed = math.nan, 0")
        return lines

    def _clip(self) -> list[str]:
        history = self.history
        modes = history.values("clip")
        lines = []
        for mode, test in (("norm", f"norm > {history('clip_threshold')}"), ("value", "")):
            if mode not in modes.values():
                continue
            changing = f"{history('clip')} == {mode!r}".replace("'", '"') if len(modes) > 1 else ""
            tests = " and ".join(part for part in (changing, test) if part)
            threshold = history("clip_threshold")
            if mode == "norm":
                lines += [
                    f"if {tests}:",
                    "    for parameter in model.parameters():",
                    f"        parameter.grad.mul_({threshold} / (norm + 1e-6))",
                ]
            else:
                clip = f"nn.utils.clip_grad_value_(model.parameters(), {threshold})"
                lines += [f"if {tests}:", f"    {clip}"] if tests else [clip]
        if not lines:
            history.used.pop("CLIP_THRESHOLD", None)
        return lines

    def _when(self) -> str:
        """Whether a step is validated."""
        history = self.history
        more = f" or step in {history.put_off}" if history.put_off else ""
        return f"step % {history('validate_every')} == 0 or step == {self._last()}{more}"

    def _final(self, name: str) -> str:
        """A setting that matters only as it is in the end."""
        value = getattr(self.history.config.training, name)
        about = TrainingConfig.model_fields[name].description or ""
        self.history.used[name.upper()] = f"{name.upper()} = {value}  # {about}"
        return name.upper()

    def _last(self) -> str:
        """The last step of the run; a name of its own where the schedule went by other ones before."""
        history = self.history
        if len(history.values("steps")) == 1:
            return history("steps")
        name = "LAST" if "STEPS" in history.used else "STEPS"
        history.used[name] = f"{name} = {history.last}  # Updates of the weights in the whole run."
        return name

    def _best(self, patience: int | None) -> list[str]:
        if patience is None:
            return []
        lines = [
            "if measured < best or math.isnan(best):",
            "    best, missed = measured, 0",
            "else:",
            "    missed += 1",
        ]
        if self.history.put_off:
            lines += [f"if step in {self.history.put_off}:  # here the run was given more steps", "    missed = 0"]
        return lines

    def _update(self) -> list[str]:
        lines = []
        if self.rate:
            lines.append('optimizer.param_groups[0]["lr"] = learning_rate(step)')
        elif len(self.history.values("learning_rate")) > 1:
            lines.append(f'optimizer.param_groups[0]["lr"] = {self.history("learning_rate")}')
        return [*lines, "optimizer.step()"]


MAIN = """\
def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\\n")[0])
{files}    parser.add_argument("--csv", type=Path, default="losses.csv", help="where the losses are written")
    given = parser.parse_args()
    with given.csv.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["step", "loss/train", "loss/val"])
        for step, loss, measured in train({given}):
            table.writerow([step, loss, measured])
            if measured is not None:
                print(f"step {{step:>6}}   training loss {{loss:.4f}}   validation loss {{measured:.4f}}")


if __name__ == "__main__":
    main()
"""
