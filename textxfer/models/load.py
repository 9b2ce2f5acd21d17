"""A base model by name, and the folder of a trained one.

A name is ``starter`` (built in), a folder, or a model of the Hugging Face hub.
Weights come as safetensors only: a checkpoint that exists only as pickle is
refused, because reading a pickle runs whatever its author put into it.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textxfer.errors import ModelError
from textxfer.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import nn

STARTER = Path(__file__).parent / "starter"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")


@dataclass(slots=True)
class Base:
    """A causal language model of transformers, in eval mode, and its tokenizer."""

    model: Any
    tokenizer: Tokenizer
    name: str

    @property
    def context(self) -> int:
        """Tokens the model can see at once."""
        return context_of(self.model.config)

    @property
    def end_of_text(self) -> int:
        """The id of the end-of-text token."""
        return end_of_text_of(self.model.config)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())


def context_of(config: Any) -> int:
    """Tokens a model of this transformers config can see."""
    return int(getattr(config, "n_positions", None) or config.max_position_embeddings)


def end_of_text_of(config: Any) -> int:
    eos = config.eos_token_id
    return int(eos[0] if isinstance(eos, list) else eos)


def find_base(name: str) -> Path:
    """The folder of a base by name; a hub name is fetched (weights as safetensors only).

    Raises ModelError with one line: what came, what is allowed, what to do.
    """
    if name == "starter":
        return STARTER
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        hint = (
            " Convert pickled weights with save_pretrained(...) where you trust them."
            if folder.suffix in _PICKLES
            else ""
        )
        raise ModelError(
            f"{name} is a file; a base is 'starter', a model folder with safetensors, or a hub name.{hint}"
        )
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ModelError(f"There is no folder {name}; a base is 'starter', a model folder, or a hub name such as gpt2.")
    return _from_hub(name)


KNOWN = ("starter", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2")


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    near = [] if name in KNOWN else difflib.get_close_matches(name, KNOWN, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "merges.txt"]))
    except (RepositoryNotFoundError, HFValidationError):
        raise ModelError(
            f"There is no base {name!r}, neither a folder nor on the hub.{hint} Known: {', '.join(KNOWN)}."
        ) from None
    except Exception as error:  # no network shows itself in a dozen exceptions of three libraries
        raise ModelError(
            f"{name!r} is no folder here and the Hugging Face hub cannot be reached ({type(error).__name__}).{hint} "
            "Use --base starter, which needs no download, or a folder."
        ) from None


def load_base(name: str, *, options: dict[str, Any] | None = None) -> Base:
    """Load a base in float32. Raises ModelError.

    options: what a method wants the base loaded with.
    """
    folder = find_base(name)
    _check_folder(folder, name)
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # of reading a file: over before it can be read
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, **(options or {})
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"The model in {name} cannot be loaded: {str(error).splitlines()[0]}") from None
    fuse_activations(model)
    return Base(model.eval(), load_tokenizer(tokenizer_file(folder, name)), name)


def load_served(folder: Path) -> Base:
    """The ``model/`` folder of a run: a whole model, or an adapter put into its base.

    Raises ModelError.
    """
    if not (folder / "adapter_config.json").is_file():
        return load_base(str(folder))
    recipe = folder / "base.json"
    try:
        base = load_base(json.loads(recipe.read_text(encoding="utf-8"))["base"])
    except (OSError, ValueError, KeyError):
        raise ModelError(f"{folder} holds an adapter without a readable base.json that names its base.") from None
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(f"{folder} holds no adapter_model.safetensors; pickled adapters are not read.")
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(base.model, str(folder))
    tokenizer = load_tokenizer(tokenizer_file(folder, str(folder)))
    return Base(adapted.merge_and_unload().eval(), tokenizer, str(folder))


def tokenizer_file(folder: Path, name: str) -> Path:
    """Raises ModelError where there is no tokenizer.json."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ModelError(
            f"{name} has no tokenizer.json; save one with AutoTokenizer.from_pretrained(...).save_pretrained(...)."
        )
    return path


def _check_folder(folder: Path, name: str) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name} is no model: it has no config.json.")
    if not list(folder.glob("*.safetensors")):
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES)
        if pickles:
            raise ModelError(
                f"{name} holds its weights only as pickle ({pickles[0]}), which can run code when read; only "
                "safetensors are read. Where you trust it, AutoModelForCausalLM.from_pretrained(...)"
                ".save_pretrained(NEW_FOLDER) converts it."
            )
        raise ModelError(f"{name} holds no weights (*.safetensors).")


def fuse_activations(model: nn.Module) -> None:
    """Replace transformers' step-by-step tanh GELU by torch's fused one: the same function, a third of the time."""
    from torch.nn import GELU
    from transformers.activations import NewGELUActivation

    swaps: list[tuple[nn.Module, str]] = [
        (parent, child)
        for parent in model.modules()
        for child, module in parent.named_children()
        if isinstance(module, NewGELUActivation)
    ]
    for parent, child in swaps:
        setattr(parent, child, GELU(approximate="tanh"))


def set_dropout(model: Any, p: float) -> None:
    """Dropout ``p`` on embeddings and residuals; none inside attention, where it would leave the fused kernels."""
    from torch.nn import Dropout

    for name, module in model.named_modules():
        if isinstance(module, Dropout):
            module.p = 0.0 if name.endswith("attn_dropout") else p
