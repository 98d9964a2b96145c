"""Settings drawn at random from the whole space that `RunConfig` allows."""

from __future__ import annotations

import math
import typing
from types import NoneType
from typing import Any

import annotated_types as at
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lstm_core.config import LIMITS, RunConfig
from lstm_core.recipes import InitConfig
from lstm_core.tasks import TASKS


def values(field: FieldInfo) -> st.SearchStrategy[Any]:
    """Any value that the field's own type and bounds allow; no file, where it refers to one."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and extra.get("file"):
        return st.just(field.default)
    return _of(field.annotation, field.metadata)


def _of(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _of(arguments[0], list(arguments[1:]))
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if arguments:
        return st.one_of(*(_of(argument, metadata) for argument in arguments))
    if annotation is NoneType:
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation in (int, float):
        bounds: dict[str, Any] = {}
        for mark in metadata:
            for kind, name in ((at.Ge, "ge"), (at.Gt, "gt"), (at.Le, "le"), (at.Lt, "lt")):
                if isinstance(mark, kind):
                    bounds[name] = getattr(mark, name)
        low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
        if annotation is int:
            return st.integers(low + ("gt" in bounds), high - ("lt" in bounds))
        return st.floats(low, high, exclude_min="gt" in bounds, exclude_max="lt" in bounds)
    if annotation is str:
        shortest = next((mark.min_length for mark in metadata if isinstance(mark, at.MinLen)), 0)
        return st.text(min_size=shortest, max_size=12)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return groups(annotation)
    raise TypeError(f"no strategy for {annotation}")


def groups(group: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Any valid instance of a group of settings."""
    fields = {name: values(f) for name, f in group.model_fields.items() if name not in ("name", "scheme")}
    drawn = st.fixed_dictionaries({}, optional=fields)
    return drawn.map(_ordered).map(group.model_validate)


def _ordered(drawn: dict[str, Any]) -> dict[str, Any]:
    if "low" in drawn or "high" in drawn:
        low, high = drawn.get("low", -0.1), drawn.get("high", 0.1)
        drawn |= {"low": min(low, high), "high": max(low, high)}
    return drawn


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    """Any valid `RunConfig`: drawn freely, then every broken limit's field put back to what it leaves."""
    from lstm_core.config import ModelConfig, TrainingConfig

    task = draw(st.sampled_from(list(TASKS.values())).flatmap(groups))
    loose = RunConfig.model_construct(
        task=task,
        model=draw(groups(ModelConfig)),
        init=draw(groups(InitConfig)),
        training=draw(groups(TrainingConfig)),
    )
    for limit in LIMITS:
        if limit.broken(loose):
            group, name = limit.field.split(".")
            largest = limit.largest(loose)
            value = limit.neutral if largest is False else largest
            loose = loose.model_copy(update={group: getattr(loose, group).model_copy(update={name: value})})
    return RunConfig.model_validate({name: getattr(loose, name).model_dump() for name in RunConfig.model_fields})


def same(a: float, b: float) -> bool:
    """Equal bit for bit, NaN included."""
    return a == b or (math.isnan(a) and math.isnan(b))
