"""The training loop, read from top to bottom."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator

from textxfer.config import RunConfig
from textxfer.corpus.tokens import TokenSet
from textxfer.errors import TrainingError
from textxfer.evaluation.perplexity import score
from textxfer.methods.base import ParamGroup
from textxfer.training import checkpoint
from textxfer.training.batches import evaluation_blocks, micro_batches, scored_tokens, step_blocks
from textxfer.training.journal import Journal, Watch
from textxfer.training.loss import PackedLM
from textxfer.training.optim import make_optimizers
from textxfer.training.schedule import rate

Sampler = Callable[[], list[dict[str, Any]]]


class Stop:
    """Set by Ctrl-C or SIGTERM: finish the step, save, leave."""

    asked = False


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """The first signal asks for an orderly stop, the second one ends the process at once."""
    stop = Stop()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True

    old: dict[signal.Signals, Any] = {}
    try:
        for wanted in (signal.SIGINT, signal.SIGTERM):
            old[wanted] = signal.signal(wanted, ask)
    except ValueError:  # not the main thread: the caller's handlers stay
        pass
    try:
        yield stop
    finally:
        for wanted, handler in old.items():
            signal.signal(wanted, handler)


def train_loop(
    config: RunConfig,
    module: PackedLM,
    groups: Sequence[ParamGroup],
    train: TokenSet,
    validation: TokenSet,
    folder: Path,
    *,
    pad: int,
    accelerator: Accelerator,
    watch: Watch,
    sampler: Sampler,
) -> tuple[checkpoint.Progress, bool]:
    """Train until the last step, an early stop, or a signal; resume from the newest whole checkpoint.

    ``config`` must be resolved (no open values). Returns where the run is and
    whether it is finished. Raises TrainingError.
    """
    steps, optim = config.schedule.steps, config.optim
    assert steps is not None and optim.lr is not None and optim.tokens_per_step is not None
    assert optim.micro_batch is not None and config.eval.every_steps is not None
    context = int(train.manifest["context"])
    per_step = max(optim.tokens_per_step // context, 1)  # blocks
    fixed = evaluation_blocks(validation, config.data.eval_tokens)
    rank, world = accelerator.process_index, accelerator.num_processes

    optimizers = make_optimizers(groups, optim, lr=optim.lr)
    torch.manual_seed(config.seed + rank)  # dropout; a resume puts the checkpoint's state over it
    prepared = accelerator.prepare(module, *optimizers)
    running, stepping = prepared[0], prepared[1:]
    learning = [p for group in groups for p in group.params]

    last = checkpoint.newest(folder, watch.note)
    state = checkpoint.Progress()
    if last is not None:
        state = checkpoint.load(last, module.model, optimizers, scaler=accelerator.scaler)
        checkpoint.point(folder, state)
        watch.note(f"Going on from step {state.step} of {steps}.")
    journal = Journal(folder / "metrics.jsonl", upto=state.step if last else -1)

    def evaluate() -> float:
        result = score(module, validation, fixed, pad=pad)
        journal.write(step=state.step, **result.to_json())
        if state.step:
            if state.best is None or result.bits_per_byte < state.best:
                state.best, state.best_step, state.worse = result.bits_per_byte, state.step, 0
            else:
                state.worse += 1
        state.samples.append({"step": state.step, "texts": sampler()})
        watch.note(f"step {state.step:>5}  held-out {result.bits_per_byte:.4f} bits per byte")
        return result.bits_per_byte

    def save() -> None:
        if accelerator.is_main_process:
            checkpoint.save(
                folder, state, module.model, optimizers, keep=config.checkpoint.keep, scaler=accelerator.scaler
            )

    with stop_on_signals() as stop:
        try:
            if last is None:
                watch.note("Judging the base on the held-out text …")
                state.before = evaluate()
                save()  # a kill at any moment repeats nothing that was measured
            watch.start(state.step, steps)
            module.train()
            skipped_in_a_row = 0
            while state.step < steps and state.worse < config.eval.patience and not stop.asked:
                began = time.perf_counter()
                factor = rate(
                    config.schedule.name,
                    state.step,
                    steps=steps,
                    warmup=config.schedule.warmup,
                    final=config.schedule.final,
                )
                for optimizer in optimizers:
                    for group in optimizer.param_groups:
                        group["lr"] = optim.lr * group["lr_scale"] * factor

                indices = step_blocks(len(train.blocks), per_step, config.seed, state.step)
                rows = [train.blocks[i] for i in indices]
                # every process knows the step's tokens, so the sum is divided once and by the same number
                scored = sum(scored_tokens(row["scored"]) for row in rows)
                positions = sum(len(row["input_ids"]) for row in rows)

                nats = 0.0
                for batch in micro_batches(rows[rank::world], optim.micro_batch, pad):
                    loss = running(batch.to(accelerator.device))  # summed over the batch's tokens
                    accelerator.backward(loss * (world / scored))  # DDP averages over processes
                    nats += float(loss.detach())
                if world > 1:
                    nats = float(accelerator.reduce(torch.tensor(nats, device=accelerator.device), "sum"))
                norm = float(accelerator.clip_grad_norm_(learning, optim.clip))

                finite = math.isfinite(norm) and math.isfinite(nats)
                for step in stepping:
                    if finite or accelerator.scaler is not None:  # fp16: the scaler passes over it and lowers its scale
                        step.step()
                    step.zero_grad()
                skipped_in_a_row = 0 if finite else skipped_in_a_row + 1
                state.skipped += not finite
                if skipped_in_a_row >= optim.max_skipped:
                    raise TrainingError(
                        f"{skipped_in_a_row} steps in a row gave no finite gradient (step {state.step + 1}); the last "
                        f"good checkpoint is {checkpoint.newest(folder)}. "
                        f"Lower the rate, for example --set optim.lr={optim.lr / 3:.1e}"
                    )

                state.step += 1
                state.tokens += scored
                took = time.perf_counter() - began
                state.seconds += took
                journal.write(
                    step=state.step,
                    loss=nats / scored,
                    lr=optim.lr * factor,
                    tokens=state.tokens,
                    grad_norm=norm if math.isfinite(norm) else None,
                    seconds=round(state.seconds, 3),
                )
                watch.step(state.step, loss=nats / scored, speed=positions / took)

                due = state.step % config.eval.every_steps == 0 or state.step == steps
                if due:
                    evaluate()
                    module.train()
                if due or stop.asked or state.step % (config.checkpoint.every_steps or steps) == 0:
                    save()
        finally:
            watch.stop()
            journal.close()
    finished = state.step >= steps or state.worse >= config.eval.patience
    return state, finished
