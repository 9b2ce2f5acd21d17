"""Checkpoints that are complete or absent, and a run that goes on from one as if nothing had been.

A checkpoint is a folder written beside its place, flushed to the disk, and
renamed. It holds what learns (weights.safetensors), the optimizers' tensors
(optimizer.safetensors), the random generators' states (rng.safetensors), and
state.json with everything that is a number; checksums.json is written last.
No pickle: optimizer states are tensors and numbers, stored as such.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from textxfer.errors import DamagedCheckpoint
from textxfer.training.aside import whole_folder, write_text


@dataclass(slots=True)
class Progress:
    """Where a run is. ``best`` is the lowest bits per byte on the evaluation set, at ``best_step``."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    before: float | None = None
    best: float | None = None
    best_step: int = 0
    worse: int = 0  # evaluations since the best one
    skipped: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that learn, by name; a tied one appears once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(
    root: Path,
    progress: Progress,
    model: nn.Module,
    optimizers: Sequence[torch.optim.Optimizer],
    *,
    keep: int,
    scaler: Any = None,
) -> Path:
    """Write ``root/checkpoints/step-…`` and point ``last`` (and ``best``, where it is) to it.

    Raises TrainingError when the disk is full; what was there before stays.
    """
    final = root / "checkpoints" / f"step-{progress.step:06d}"
    with whole_folder(final, f"The checkpoint of step {progress.step}") as folder:
        weights = {n: p.detach().cpu().contiguous() for n, p in trainable(model).items()}
        save_file(weights, folder / "weights.safetensors")
        tensors, numbers = _split_states(optimizers)
        save_file(tensors, folder / "optimizer.safetensors")
        save_file(_generators(), folder / "rng.safetensors")
        state: dict[str, Any] = {"progress": asdict(progress), "optimizers": numbers}
        if scaler is not None:
            state["scaler"] = scaler.state_dict()
        (folder / "state.json").write_text(json.dumps(state))
        sums = {p.name: sha256(p) for p in sorted(folder.iterdir())}
        (folder / "checksums.json").write_text(json.dumps(sums, indent=1))
    point(root, progress)
    _forget_old(root, keep)
    return final


def point(root: Path, progress: Progress) -> None:
    """Write ``last`` and ``best``: a kill between a checkpoint and its pointers must not leave them behind."""
    for pointer, step in (("last", progress.step), ("best", progress.best_step)):
        name = f"step-{step:06d}"
        if (root / "checkpoints" / name).is_dir():
            write_text(root / pointer, name)


def _forget_old(root: Path, keep: int) -> None:
    folder = root / "checkpoints"
    best = _pointed(root, "best")
    steps = sorted(p for p in folder.iterdir() if p.name.startswith("step-"))
    for path in steps[:-keep]:
        if path.name != best:
            shutil.rmtree(path)


def _pointed(root: Path, pointer: str) -> str:
    path = root / pointer
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def check(folder: Path) -> None:
    """Raises DamagedCheckpoint when a file is missing or differs from its checksum."""
    try:
        sums = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DamagedCheckpoint(f"The checkpoint {folder} has no readable checksums.json.") from None
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file() or sha256(path) != expected:
            raise DamagedCheckpoint(f"The checkpoint {folder} is damaged: {name} is not what was written.")


def candidates(root: Path) -> Iterator[Path]:
    """Checkpoints of a run, newest first."""
    folder = root / "checkpoints"
    if folder.is_dir():
        yield from sorted((p for p in folder.iterdir() if p.name.startswith("step-")), reverse=True)


def newest(root: Path, note: Any = print) -> Path | None:
    """The newest whole checkpoint; damaged ones are named through ``note`` and passed over."""
    for folder in candidates(root):
        try:
            check(folder)
        except DamagedCheckpoint as error:
            note(f"{error} The one before is used.")
            continue
        return folder
    return None


def best(root: Path) -> Path | None:
    """The best checkpoint where it is whole, else the newest whole one."""
    name = _pointed(root, "best")
    folder = root / "checkpoints" / name
    if name and folder.is_dir():
        try:
            check(folder)
        except DamagedCheckpoint:
            return newest(root)
        return folder
    return newest(root)


def load_weights(folder: Path, model: nn.Module) -> None:
    """Put a checkpoint's weights into ``model``. Raises DamagedCheckpoint where names or shapes differ."""
    stored = load_file(folder / "weights.safetensors")
    wanted = trainable(model)
    if stored.keys() != wanted.keys():
        raise DamagedCheckpoint(f"The checkpoint {folder} belongs to another model or method.")
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(stored[name])


def load(
    folder: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], *, scaler: Any = None
) -> Progress:
    """Put everything back as it was when the checkpoint was written."""
    load_weights(folder, model)
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "optimizer.safetensors")
    for i, (optimizer, numbers) in enumerate(zip(optimizers, state["optimizers"], strict=True)):
        states: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in numbers["state"].items()}
        for name, tensor in tensors.items():
            which, index, key = name.split("/")
            if int(which) == i:
                states.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": states, "param_groups": numbers["param_groups"]})
    if scaler is not None and "scaler" in state:
        scaler.load_state_dict(state["scaler"])
    generators = load_file(folder / "rng.safetensors")
    torch.set_rng_state(generators["cpu"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all([generators[f"cuda{i}"] for i in range(torch.cuda.device_count())])
    return Progress(**state["progress"])


def _split_states(
    optimizers: Sequence[torch.optim.Optimizer],
) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """State dicts → tensors by ``optimizer/parameter/key``, and the numbers that are left."""
    tensors: dict[str, torch.Tensor] = {}
    numbers: list[dict[str, Any]] = []
    for i, optimizer in enumerate(optimizers):
        whole = optimizer.state_dict()
        rest: dict[str, dict[str, Any]] = {}
        for index, values in whole["state"].items():
            for key, value in values.items():
                if isinstance(value, torch.Tensor):
                    tensors[f"{i}/{index}/{key}"] = value.detach().cpu().contiguous()
                else:
                    rest.setdefault(str(index), {})[key] = value
        numbers.append({"state": rest, "param_groups": whole["param_groups"]})
    return tensors, numbers


def _generators() -> dict[str, torch.Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states |= {f"cuda{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    return states
