"""What a run leaves for people: report.html (one file, opens offline), samples.md and README.md."""

from __future__ import annotations

import html
import io
import json
from pathlib import Path
from string import Template
from typing import Any

from textxfer.config import RunConfig
from textxfer.runs import Run

_INK, _FAINT, _TRAIN, _HELD = "#4a4a4a", "#9a9a9a", "#b9c4cf", "#b5542b"


def loss_curve(metrics: list[dict[str, Any]], *, bytes_per_token: float | None = None, format: str = "svg") -> bytes:
    """A picture of the training loss (nats a token, smoothed beside raw) and held-out bits per byte by step.

    bytes_per_token: where known, the training loss is drawn in bits per byte,
    on the axis of the held-out text.
    """
    import math

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    steps = [m["step"] for m in metrics if "loss" in m]
    scale = 1 / math.log(2) / bytes_per_token if bytes_per_token else 1.0
    losses = [m["loss"] * scale for m in metrics if "loss" in m]
    judged = [(m["step"], m["bits_per_byte"]) for m in metrics if "bits_per_byte" in m]
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    axes.plot(steps, losses, color=_TRAIN, linewidth=1, alpha=0.6)
    axes.plot(steps, _smooth(losses), color=_INK, linewidth=1.6, label="training")
    right = axes if bytes_per_token else axes.twinx()
    right.plot([s for s, _ in judged], [b for _, b in judged], "o-", color=_HELD, markersize=4, label="held out")
    axes.set_xlabel("step")
    axes.set_ylabel("bits per byte" if bytes_per_token else "training loss, nats a token")
    if right is not axes:
        right.set_ylabel("held-out bits per byte")
        right.spines["top"].set_visible(False)
    axes.spines[["top", "right"]].set_visible(right is not axes)
    axes.spines["top"].set_visible(False)
    if bytes_per_token and judged:  # random weights begin far above what is worth seeing
        worst, best = max(b for _, b in judged[1:] or judged), min(b for _, b in judged)
        axes.set_ylim(max(best - 0.35, 0), min(worst + 0.6, max([*losses, worst])))
    figure.legend(loc="outside upper right", frameon=False, ncols=2)
    axes.tick_params(colors=_INK)
    out = io.BytesIO()
    figure.savefig(out, format=format, dpi=130)
    plt.close(figure)
    return out.getvalue()


def _smooth(values: list[float], weight: float = 0.95) -> list[float]:
    """Exponential moving average, corrected for its start."""
    smoothed, mean = [], 0.0
    for n, value in enumerate(values, start=1):
        mean = weight * mean + (1 - weight) * value
        smoothed.append(mean / (1 - weight**n))
    return smoothed


def write_reports(folder: Path, config: RunConfig, samples: list[dict[str, Any]], result: dict[str, Any]) -> None:
    """Write report.html, samples.md and README.md into the run's folder."""
    manifest = json.loads((folder / "data" / "manifest.json").read_text(encoding="utf-8"))
    (folder / "samples.md").write_text(_samples_md(samples), encoding="utf-8")
    (folder / "README.md").write_text(_card(folder, config, manifest, result), encoding="utf-8")
    (folder / "report.html").write_text(_page(folder, config, manifest, samples, result), encoding="utf-8")


def _samples_md(samples: list[dict[str, Any]]) -> str:
    lines = ["# Samples\n", "The same prompts and seeds at every evaluation; nothing is picked.\n"]
    for moment in samples:
        lines.append(f"\n## Step {moment['step']}\n")
        for sample in moment["texts"]:
            text = (sample["prompt"] + sample["text"]).strip().replace("\n", "\n> ")
            lines.append(f"\n> {text}\n")
    return "".join(line if line.startswith("\n") else line + "\n" for line in lines)


def _card(folder: Path, config: RunConfig, manifest: dict[str, Any], result: dict[str, Any]) -> str:
    figures = result["bits_per_byte"]
    rows = "\n".join(
        f"| {s['title'] or s['id']} | {s['author'] or 'unknown'} | {s['licence']} |" for s in manifest["stories"][:200]
    )
    more = f"\n\n… and {len(manifest['stories']) - 200} more." if len(manifest["stories"]) > 200 else ""
    licences = sorted({s["licence"] for s in manifest["stories"]})
    return (
        f"---\nlibrary_name: transformers\nbase_model: {config.base}\npipeline_tag: text-generation\n"
        f"tags: [textxfer, interactive-fiction]\n---\n\n# {Run(folder).name}\n\n"
        f"`{config.base}` tuned ({config.method['name']}) on {len(manifest['stories'])} stories with "
        "textxfer.\n\n"
        "| | held-out bits per byte |\n|---|---|\n"
        f"| base | {figures['before']:.4f} |\n"
        f"| tuned, best at step {result['best_step']} | {figures['after']:.4f} |\n\n"
        f"Judged on {manifest['validation']['scored_tokens']:,} tokens that training never saw "
        f"(at most {config.data.eval_tokens:,} of them), seed {config.seed}; "
        f"{result['tokens']:,} tokens trained on in {result['seconds'] / 60:.1f} minutes.\n\n"
        "    " + _command(config, folder) + "\n\n"
        f"## Sources\n\nLicences: {', '.join(licences)}.\n\n| title | author | licence |\n|---|---|---|\n{rows}{more}\n"
    )


def _command(config: RunConfig, folder: Path) -> str:
    if config.base == str(folder / "base"):
        return f"textxfer pretrain {config.corpus} --out {folder}"
    steps = f" --steps {config.schedule.steps}"
    return f"textxfer train {config.corpus} --base {config.base} --method {config.method['name']}{steps} --out {folder}"


def _page(
    folder: Path, config: RunConfig, manifest: dict[str, Any], samples: list[dict[str, Any]], result: dict[str, Any]
) -> str:
    metrics = Run(folder).metrics()
    train, validation = manifest["train"], manifest["validation"]
    before, after = result["bits_per_byte"]["before"], result["bits_per_byte"]["after"]
    first = samples[0]["texts"] if samples else []
    chosen = next((m for m in samples if m["step"] == result["best_step"]), samples[-1] if samples else {"texts": []})
    pairs = "".join(
        f"<section class=pair><p class=prompt>{_text(a['prompt'])}</p>"
        f"<div><article><h3>before</h3><p>{_text(a['text'])}</p></article>"
        f"<article class=after><h3>after</h3><p>{_text(b['text'])}</p></article></div></section>"
        for a, b in zip(first, chosen["texts"], strict=False)
    )
    facts = {
        "base": config.base,
        "method": ", ".join(f"{k} {v}" if k != "name" else str(v) for k, v in config.method.items()),
        "steps": f"{result['steps']:,} (best at {result['best_step']:,})",
        "learning rate": f"{config.optim.lr:g}, {config.schedule.name}",
        "precision": config.precision.dtype,
        "seed": str(config.seed),
        "stories, passages": f"{len(manifest['stories']):,}, {manifest['passages']:,}",
        "tokens learnt from": f"{train['fresh_tokens']:,} of text, {result['tokens']:,} in all",
        "held out": f"{validation['scored_tokens']:,} tokens ({manifest['split']})",
        "time": f"{result['seconds'] / 60:.1f} minutes",
    }
    table = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in facts.items())
    ratio = train["scored_bytes"] / max(train["scored_tokens"], 1)
    picture = loss_curve(metrics, bytes_per_token=ratio).decode()
    return Template((Path(__file__).parent / "report.html").read_text(encoding="utf-8")).substitute(
        name=html.escape(Run(folder).name),
        before=f"{before:.3f}",
        after=f"{after:.3f}",
        change=f"{after / before - 1:+.1%}",
        picture=picture[picture.index("<svg") :],
        pairs=pairs or "<p>No samples were drawn.</p>",
        table=table,
        command=html.escape(_command(config, folder)),
    )


def _text(text: str) -> str:
    return html.escape(text.strip()).replace("\n", "<br>")
