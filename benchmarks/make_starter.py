"""Make the starter: the small GPT-2 in textxfer/models/starter, from a folder of books.

    python benchmarks/make_starter.py BOOKS --out runs/starter

Two authors are held out whole (Burroughs and Baum): sequels of a known book
would be no measure of anything. The command may be killed and repeated. At its
end it writes the weights as fp16, the card with the figures, the loss curve
and ten unpicked samples into the package.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from textxfer.engine import Engine, GenerateRequest, Sampling
from textxfer.evaluation.judge import score_text
from textxfer.evaluation.report import loss_curve
from textxfer.models.load import STARTER, load_base
from textxfer.runs import Run
from textxfer.training.pretrain import pretrain

HELD_OUT = ("edgar-rice-burroughs", "l-frank-baum")
RECIPE = [
    f"data.holdout=[{', '.join(HELD_OUT)}]",
    "data.straight_quotes=0.3",
    "data.eval_tokens=30000",
    "optim.lr=0.005",
    "precision.threads=1",
    "eval.every_steps=200",
    "schedule.epochs=2.0",
]
PROMPTS = (
    "You open the gate.",
    "The old man looked up from his book and said,",
    "It was a dark night, and the sea",
    "“Who are you?” asked the king.",
    "In the middle of the forest there stood",
    "She had never seen such a",
    "The captain drew his sword and",
    "When the morning came,",
    "There was once a poor woodcutter who",
    "I have a strange story to tell.",
)


def publish(model: Path) -> None:
    """The run's model → the package, weights as fp16."""
    for name in ("config.json", "generation_config.json", "tokenizer.json"):
        shutil.copy(model / name, STARTER / name)
    weights = {name: tensor.to(torch.float16) for name, tensor in load_file(model / "model.safetensors").items()}
    save_file(weights, STARTER / "model.safetensors", metadata={"format": "pt"})


def held_out(books: Path) -> list[tuple[str, float, int]]:
    """(author, bits per byte, tokens) of the published weights on every held-out book, whole."""
    scores = []
    for author in HELD_OUT:
        with tempfile.TemporaryDirectory() as scratch:
            shelf = Path(scratch) / "books"
            shelf.mkdir()
            for book in sorted(books.glob(f"{author}*.txt")):
                shutil.copy(book, shelf)
            result = score_text(load_base("starter"), shelf, scratch=Path(scratch) / "tokens")
            scores.append((author, result.bits_per_byte, result.tokens))
    return scores


def samples() -> list[tuple[str, str]]:
    """One continuation of each prompt, seed 1, the engine's own sampling."""
    engine = Engine.load("starter")
    drawn = []
    for prompt in PROMPTS:
        request = GenerateRequest(tuple(engine.encode(prompt)), Sampling(max_tokens=80, seed=1))
        drawn.append((prompt, engine.complete(request)[0]))
    engine.close()
    return drawn


def card(run: Run, scores: list[tuple[str, float, int]], texts: list[tuple[str, str]]) -> str:
    config, result = run.config, run.result or {}
    manifest = json.loads((run.path / "data" / "manifest.json").read_text(encoding="utf-8"))
    held = set(manifest["held_out"])
    sources = [s["title"] for s in manifest["stories"] if s["id"] not in held]
    epochs = config["schedule"]["epochs"]
    total = sum(b * t for _, b, t in scores) / sum(t for _, _, t in scores)
    judged = [m for m in run.metrics() if "bits_per_byte" in m]
    rows = "\n".join(
        f"| {author.replace('-', ' ').title()} | {bits:.4f} | {tokens:,} |" for author, bits, tokens in scores
    )
    curve = "\n".join(f"| {m['step']} | {m['bits_per_byte']:.4f} |" for m in judged)
    quoted = "\n\n".join("> **" + p + "**" + t.replace("\n", "\n> ") for p, t in texts)
    listed = "\n".join(f"- {title(s)}" for s in sources)
    return f"""---
license: cc0-1.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# starter

A GPT-2 of {sum(t.numel() for t in load_file(STARTER / "model.safetensors").values()) / 1e6:.2f} million parameters (5 layers × 256, 4 heads,
context 1,024, byte-level BPE of 8,192), made by textxfer itself so that its demo and its tests need no
download. It writes readable, aimless Victorian English. It is a place to start from, not a story teller.

## Held-out text

Two authors were held out whole; not one of their books, nor any sequel, was seen. All of their text, in float32:

| author | bits per byte | tokens |
|---|---|---|
{rows}
| **both** | **{total:.4f}** | {sum(t for _, _, t in scores):,} |

![loss curve](loss.png)

| step | held-out bits per byte (a fixed set of {config["data"]["eval_tokens"]:,} tokens) |
|---|---|
{curve}

## Recipe

    python benchmarks/make_starter.py BOOKS --out runs/starter

{epochs:g} epochs of {manifest["train"]["scored_tokens"]:,} tokens ({result["tokens"]:,} in all, {result["steps"]:,} steps of 4,096), seed {config["seed"]};
Muon for the matrices and AdamW for the rest, peak rate {config["optim"]["lr"]}, cosine to zero after {config["schedule"]["warmup"]:.0%} warm-up,
no dropout, {config["precision"]["dtype"]} on one CPU core, {result["seconds"] / 60:.0f} minutes. In about 30 % of the books curly quotes were
straightened, so that it knows both. The vocabulary was learnt from the training books alone. Stored as fp16, loaded as float32.

## Ten samples, unpicked

The first continuation of each prompt: seed 1, 80 tokens, the engine's default sampling.

{quoted}

## Sources

Public domain in the United States; texts of Standard Ebooks, whose own work on them is CC0.

{listed}
"""


def title(file: str) -> str:
    """``bram-stoker_dracula`` → ``Dracula, by Bram Stoker``; a third part is a translator or illustrator, with a
    fourth one the first two are authors."""
    parts = [part.replace("-", " ").title() for part in file.split("_")]
    authors, (work, *others) = (" and ".join(parts[:2]), parts[2:]) if len(parts) > 3 else (parts[0], parts[1:])
    return f"{work}, by {authors}" + (f" ({others[0]})" if others else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/starter"))
    given = parser.parse_args()
    run = pretrain(given.books, given.out, overrides=RECIPE)
    publish(run.model)
    manifest = json.loads((run.path / "data" / "manifest.json").read_text(encoding="utf-8"))["train"]
    ratio = manifest["scored_bytes"] / manifest["scored_tokens"]
    (STARTER / "loss.png").write_bytes(loss_curve(run.metrics(), bytes_per_token=ratio, format="png"))
    (STARTER / "README.md").write_text(card(run, held_out(given.books), samples()), encoding="utf-8")


if __name__ == "__main__":
    main()
