"""Everything this kit raises on purpose.

    TextxferError            one clear line: what came, what is allowed, what to do
    ├── ConfigError          a setting, an option or a name that is not known
    │   └── ConfigChanged    an existing run was asked to go on with other settings
    ├── CorpusError          stories that cannot be read, or too few to use
    ├── ModelError           a base, run or checkpoint that cannot be loaded
    │   └── DamagedCheckpoint  one that does not match its own checksums
    ├── TrainingError        a run that cannot go on (non-finite losses, a full disk)
    ├── EngineError          a request the engine cannot answer
    │   ├── PromptTooLong    more tokens than the model's context holds
    │   └── QueueFull        too many requests wait already; try again later
    ├── ServeError           a server that cannot start (a port in use)
    └── MissingExtra         an optional dependency is not installed

The command line prints the message and exits 2; libraries catch what they need.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TextxferError(Exception):
    """Base of all errors of the kit; its message is one line for a person."""


class ConfigError(TextxferError):
    """A setting, an option or a name that is not known."""


class ConfigChanged(ConfigError):
    """An existing run was asked to go on with other settings."""


class CorpusError(TextxferError):
    """Stories that cannot be read, or too few to use."""


class ModelError(TextxferError):
    """A base, run or checkpoint that cannot be loaded."""


class DamagedCheckpoint(ModelError):
    """A checkpoint that does not match its own checksums."""


class TrainingError(TextxferError):
    """A run that cannot go on."""


class EngineError(TextxferError):
    """A request the engine cannot answer."""


class PromptTooLong(EngineError):
    """More tokens than the model's context holds."""


class QueueFull(EngineError):
    """Too many requests wait already."""


class ServeError(TextxferError):
    """A server that cannot start."""


class MissingExtra(TextxferError):
    """An optional dependency is not installed."""


def unknown(kind: str, name: str, allowed: Iterable[str]) -> str:
    """One line for a name that is not known, with the nearest one offered."""
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}."
