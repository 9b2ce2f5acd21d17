"""Files and folders that are whole or absent: written aside, flushed to the disk, renamed into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from textxfer.errors import TrainingError


def write_text(path: Path, text: str) -> None:
    """A small text file. Raises OSError."""
    aside = path.with_name(f".{path.name}.tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    _flush(path.parent)


@contextmanager
def whole_folder(final: Path, what: str) -> Iterator[Path]:
    """A folder to fill, which takes the place of ``final`` at the end of the block.

    Nothing half-written stays when the block fails. Raises TrainingError, which
    names ``what``, when the disk is full or cannot be written to.
    """
    aside = final.with_name(f".{final.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        for path in [p for p in aside.rglob("*") if p.is_file()]:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        _flush(aside)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(aside, final)
        _flush(final.parent)
    except (OSError, SafetensorError) as error:  # safetensors reports a full disk as its own error
        raise TrainingError(
            f"{what} could not be written to {final.parent} ({getattr(error, 'strerror', None) or error}); what was "
            "there before is whole. Free some room and repeat the command."
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _flush(folder: Path) -> None:
    """fsync a folder, so that renames in it outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
