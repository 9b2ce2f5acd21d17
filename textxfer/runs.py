"""A run's folder: what is in it, and what can be done with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from textxfer.errors import ModelError

if TYPE_CHECKING:
    from textxfer.engine import Engine


@dataclass(frozen=True)
class Run:
    """A folder that training made; it may still be unfinished."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def config(self) -> dict[str, Any]:
        """The frozen settings, as nested dicts."""
        loaded: dict[str, Any] = yaml.safe_load((self.path / "run.yaml").read_text(encoding="utf-8"))
        return loaded

    @property
    def result(self) -> dict[str, Any] | None:
        """``{run, steps, tokens, seconds, bits_per_byte: {before, after}, best_step}``; None while unfinished."""
        path = self.path / "result.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    @property
    def finished(self) -> bool:
        return (self.path / "result.json").is_file()

    @property
    def model(self) -> Path:
        """The folder that is served. Raises ModelError while the run is unfinished."""
        folder = self.path / "model"
        if not folder.is_dir():
            raise ModelError(f"The run {self.path} is not finished; repeat its textxfer train command to go on.")
        return folder

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        from textxfer.training.journal import read

        return read(self.path / "metrics.jsonl")

    def engine(self, **options: Any) -> Engine:
        """An engine over the run's model; close it when done."""
        from textxfer.engine import Engine

        return Engine.load(self, **options)

    def generate(self, prompt: str, *, tokens: int = 100, seed: int | None = None, **sampling: Any) -> str:
        """A continuation of ``prompt`` by at most ``tokens`` tokens.

        ``sampling``: fields of ``textxfer.engine.Sampling``. Loads the model for
        this one call; use ``engine()`` for many. Raises EngineError and ModelError.
        """
        from textxfer.engine import GenerateRequest, Sampling

        engine = self.engine()
        try:
            ids = tuple(engine.encode(prompt))
            request = GenerateRequest(ids, Sampling(max_tokens=tokens, seed=seed, **sampling))
            text, _ = engine.complete(request)
        finally:
            engine.close()
        return text

    def evaluate(self) -> dict[str, float | int]:
        """``{bits_per_byte, perplexity, tokens}`` on the run's fixed evaluation set."""
        from textxfer.evaluation.judge import evaluate_run

        return evaluate_run(self)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Raises ModelError when ``path`` is no run's folder."""
        folder = Path(path)
        if not (folder / "run.yaml").is_file():
            what = "there is no such folder" if not folder.exists() else "it holds no run.yaml"
            raise ModelError(f"{path} is no run: {what}. Make one with textxfer train CORPUS --out {path}.")
        return cls(folder)
