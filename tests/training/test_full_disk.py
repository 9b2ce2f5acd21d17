"""A disk that fills up: one clear line, and what was there before stays whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from textxfer.errors import TrainingError
from textxfer.training import checkpoint


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_checkpoint_that_does_not_fit_leaves_the_ones_before(small_disk):
    model = torch.nn.Linear(200, 300)  # 241 kB: two checkpoints fit, three do not
    checkpoint.save(small_disk, checkpoint.Progress(step=1), model, [], keep=5)
    checkpoint.save(small_disk, checkpoint.Progress(step=2), model, [], keep=5)
    with pytest.raises(TrainingError, match=r"checkpoint of step 3 could not be written .* Free some room") as error:
        checkpoint.save(small_disk, checkpoint.Progress(step=3), model, [], keep=5)
    assert "\n" not in str(error.value)
    whole = checkpoint.newest(small_disk)
    assert whole is not None and whole.name == "step-000002"
    assert sorted(p.name for p in (small_disk / "checkpoints").iterdir()) == ["step-000001", "step-000002"]


def test_the_command_ends_with_one_line(small_disk, corpus, tiny_base):
    words = [sys.executable, "-m", "textxfer", "train", corpus, "--base", tiny_base, "--method", "full", "--steps", "3"]
    said = subprocess.run([*words, "--out", small_disk / "run"], capture_output=True, text=True)
    assert said.returncode == 2
    last = said.stderr.strip().splitlines()[-1]
    assert last.startswith("textxfer: ") and "written" in last and "room" in last
    assert "Traceback" not in said.stderr
