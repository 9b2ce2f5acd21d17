"""What a run says of itself: a line of JSON an event, and a bar for people."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Journal:
    """``metrics.jsonl``: one line a step (``step loss lr tokens …``) or evaluation (``step bits_per_byte …``)."""

    def __init__(self, path: Path, *, upto: int) -> None:
        """Open for appending; lines past step ``upto`` belong to steps that will be taken again and are cut off."""
        if path.exists():
            kept = [line for line in read(path) if line["step"] <= upto]
            aside = path.with_suffix(".tmp")
            aside.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
            aside.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def write(self, **event: Any) -> None:
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The events of a run; a last line torn by a kill is passed over."""
    events: list[dict[str, Any]] = []
    if not path.exists():
        return events
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("step"), int):
            events.append(event)
    return events


class Watch:
    """Tells a person how training goes: a bar on a terminal, plain lines elsewhere. Writes to stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(file=sys.stderr, quiet=quiet, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(),
            TextColumn("loss {task.fields[loss]:.3f}  {task.fields[speed]:,.0f} tokens/s"),
            TimeRemainingColumn(),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, visible=False, loss=0.0, speed=0.0)

    def reading(self, name: str, done: int, total: int) -> None:
        """A line that is written over, on a terminal only."""
        if self.console.is_terminal:
            line = f"Reading {done} of {total}: {name}"[: self.console.width - 1]
            self.console.print(f"{line:<{self.console.width - 1}}", end="\r" if done < total else "\n", markup=False)

    def note(self, line: str) -> None:
        self.console.print(line, markup=False)

    def start(self, step: int, steps: int) -> None:
        self._bar.start()
        self._bar.reset(self._task, total=steps, completed=step, visible=True)

    def step(self, step: int, *, loss: float, speed: float) -> None:
        self._bar.update(self._task, completed=step, loss=loss, speed=speed)

    def stop(self) -> None:
        self._bar.stop()
