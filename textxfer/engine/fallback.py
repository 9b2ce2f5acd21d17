"""Any causal language model of transformers, one sequence a step."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache

from textxfer.errors import ConfigError, EngineError, ModelError, unknown
from textxfer.models.load import context_of

if TYPE_CHECKING:
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTuner

WEIGHTS = ("auto", "float32", "bf16")


class TransformersModel:
    """What answers where no faster path knows the model. Not reentrant: one thread calls ``step``.

    device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``. weights:
    ``auto`` is float32 on a CPU, and on a GPU bf16 where it is native, else fp16.

    Raises ConfigError for a device or weights that are not to be had, ModelError
    for a model that says neither how long its context is nor how a text ends.
    """

    path = "transformers"

    def __init__(self, model: Any, *, device: str = "auto", weights: str = "auto") -> None:
        self.device = find_device(device)
        self._model = model.to(device=self.device, dtype=find_dtype(weights, self.device)).eval()
        config = model.config.get_text_config()
        try:
            self.context = context_of(config)
        except (AttributeError, TypeError):
            raise ModelError(f"A model of type {config.model_type!r} does not say how long its context is.") from None
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])
        ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        # In the order of the config; ids of a vocabulary that was cut (GPT2Config keeps 50256) mean nothing.
        self.ends: tuple[int, ...] = tuple(i for i in ends if i is not None and 0 <= i < self.vocabulary)
        if not self.ends:
            raise ModelError(
                f"The model's config names no end-of-text token within its {self.vocabulary} tokens "
                f"(eos_token_id is {config.eos_token_id}). Set eos_token_id in its config.json."
            )
        self._last_only = "logits_to_keep" in inspect.signature(model.forward).parameters
        self._adapted: PeftModel | None = None
        self._active: str | None = None
        self.adapters: tuple[str, ...] = ()

    def new_cache(self) -> DynamicCache:
        """Keys and values of one sequence, empty."""
        return DynamicCache(config=self._model.config)

    def step(self, ids: list[int], cache: DynamicCache, adapter: str | None) -> Tensor:
        """Logits (V,), float32 on the CPU, after the cached tokens and ``ids``, which join the cache."""
        self._use(adapter)
        keep = {"logits_to_keep": 1} if self._last_only else {}
        with torch.inference_mode():
            input_ids = torch.tensor([ids], device=self.device)  # (1, T)
            out = self._model(input_ids=input_ids, past_key_values=cache, use_cache=True, **keep)
            logits: Tensor = out.logits[0, -1].float().cpu()  # (1, T or 1, V) -> (V,)
        return logits

    def add_adapter(self, name: str, folder: Path) -> None:
        """Load PEFT weights beside the model, before the first step. Raises ModelError."""
        for needed in ("adapter_config.json", "adapter_model.safetensors"):
            if not (folder / needed).is_file():
                raise ModelError(f"{folder} is no adapter: it has no {needed}. A whole model is loaded by itself.")
        from peft import PeftConfig, PeftModel
        from safetensors import SafetensorError

        try:
            if PeftConfig.from_pretrained(str(folder)).is_prompt_learning:
                raise ModelError(f"The adapter {name!r} lengthens the prompt, which the engine does not do; use LoRA.")
            where: dict[str, Any] = {"torch_device": str(self.device)}
            if self._adapted is None:
                self._adapted = PeftModel.from_pretrained(self._model, str(folder), name, **where)
            else:
                self._adapted.load_adapter(str(folder), adapter_name=name, **where)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(f"The adapter {name!r} in {folder} does not fit the model: {reason}") from None
        self._adapted.eval()
        self.adapters = (*self.adapters, name)
        self._active = name
        self._use(None)

    def _use(self, adapter: str | None) -> None:
        if adapter == self._active:
            return
        if adapter is not None and adapter not in self.adapters:
            raise EngineError(unknown("adapter", adapter, self.adapters))
        assert self._adapted is not None
        tuner = cast("BaseTuner", self._adapted.base_model)
        if adapter is None:
            tuner.disable_adapter_layers()
        else:
            tuner.enable_adapter_layers()
            self._adapted.set_adapter(adapter)
        self._active = adapter


def find_device(word: str) -> torch.device:
    """Raises ConfigError."""
    if word == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(word)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {word!r}; it must be auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ConfigError(f"device is {word!r}; torch sees {count} CUDA devices here. Use auto or cpu.")
    return device


def find_dtype(word: str, device: torch.device) -> torch.dtype:
    """Raises ConfigError."""
    if word not in WEIGHTS:
        raise ConfigError(f"weights is {word!r}; it must be one of {', '.join(WEIGHTS)}.")
    if word == "auto" and device.type == "cuda":
        # A T4 says it has bf16 and emulates it; only the capability tells.
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return torch.bfloat16 if word == "bf16" else torch.float32
