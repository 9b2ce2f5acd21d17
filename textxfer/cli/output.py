"""What commands say at the end: a few lines for people, one line of JSON for programs."""

from __future__ import annotations

import json

from textxfer.runs import Run


def print_result(run: Run, *, as_json: bool) -> None:
    result = run.result
    assert result is not None
    if as_json:
        print(json.dumps(result))
        return
    figures = result["bits_per_byte"]
    before, after = figures["before"], figures["after"]
    print(f"\n{run.path}: {result['steps']} steps, {result['tokens']:,} tokens, {result['seconds'] / 60:.1f} minutes")
    print(
        f"held-out text: {before:.4f} → {after:.4f} bits per byte ({after / before - 1:+.1%}), "
        f"best at step {result['best_step']}"
    )
    print(f"look:   {run.path}/report.html")
    print(f"play:   textxfer play {run.path}")
    print(f"serve:  textxfer serve {run.path}")


def print_samples(run: Run) -> None:
    """The same prompts before and after training."""
    import textwrap

    from textxfer.training.checkpoint import newest

    last = newest(run.path)
    if last is None:
        return
    samples = json.loads((last / "state.json").read_text(encoding="utf-8"))["progress"]["samples"]
    best = (run.result or {}).get("best_step")
    after = next((m for m in samples if m["step"] == best), samples[-1])
    for before, now in zip(samples[0]["texts"], after["texts"], strict=True):
        prompt = before["prompt"] if len(before["prompt"]) < 200 else "… " + before["prompt"][-200:]
        print("\n" + textwrap.fill(prompt, 88))
        for label, text in (("before", before["text"]), ("after", now["text"])):
            body = textwrap.fill(" ".join(text.split()), 88, initial_indent="    ", subsequent_indent="    ")
            print(f"  {label}:\n{body}")
