"""What a transfer method is: how a pretrained model is attached to, trained and saved.

A method is a frozen dataclass whose fields are its hyper-parameters, registered
by name in a file of this folder:

    @methods.register("full")
    @dataclass(frozen=True)
    class Full: ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from textxfer.errors import ConfigError, unknown
from textxfer.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, slots=True)
class ParamGroup:
    """Parameters that learn at ``lr_scale`` times the run's learning rate."""

    params: list[torch.nn.Parameter]
    lr_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Attached:
    """A model ready to train: what to call, and what learns."""

    model: nn.Module
    groups: list[ParamGroup]


class Method(Protocol):
    """One way to transfer."""

    def load_options(self) -> dict[str, Any]:
        """What the base must be loaded with, e.g. ``{"load_in_4bit": True}``."""
        ...

    def default_lr(self, parameters: int) -> float:
        """A peak learning rate that suits a base of so many parameters."""
        ...

    def attach(self, model: nn.Module) -> Attached:
        """Freeze, add or mark parameters. At the start the output equals the base's."""
        ...

    def save(self, model: nn.Module, folder: Path, base: str) -> None:
        """Write what is served into ``folder`` (safetensors and JSON only)."""
        ...

    def merge(self, model: nn.Module) -> nn.Module:
        """A plain model of the base's class with the same output. Raises ConfigError where there is none."""
        ...


methods: Registry[type[Any]] = Registry("method", package="textxfer.methods", group="textxfer.methods")


def make_method(settings: Mapping[str, Any]) -> Method:
    """``{"name": "lora", "r": 8}`` → the method. Raises ConfigError for a name or option not known."""
    options = dict(settings)
    name = str(options.pop("name", ""))
    kind = methods.get(name)
    known = {f.name: f for f in fields(kind)}
    for key, value in options.items():
        if key not in known:
            raise ConfigError(
                unknown(f"option of the method {name!r}", f"method.{key}", [f"method.{k}" for k in known])
            )
        default = known[key].default
        if default is not MISSING and default is not None:
            wanted = (int, float) if isinstance(default, float) else type(default)
            if isinstance(default, tuple) and isinstance(value, list):
                options[key] = tuple(value)
            elif not isinstance(value, wanted):
                raise ConfigError(f"method.{key} is {value!r}; it must be of type {type(default).__name__}.")
    try:
        made: Method = kind(**options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"The method {name!r} refuses its options: {error}.") from None
    return made


def resolve_method(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with every option of the method spelt out, as plain YAML values."""
    method = make_method(settings)
    values = {f.name: getattr(method, f.name) for f in fields(method)}  # type: ignore[arg-type]
    return {"name": settings["name"]} | {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
