"""One door for built-ins and plugins: a name, and the thing that carries it.

    methods = Registry("method", package="textxfer.methods", group="textxfer.methods")

    @methods.register("full")
    class Full: ...

    methods.get("full")

Built-ins are the modules of ``package``, imported at the first look-up; a
plugin is an entry point of ``group``. Adding one edits no list.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from textxfer.errors import ConfigError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of thing."""

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind = kind
        self._package = package
        self._group = group
        self._found: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator. Raises ConfigError when the name is taken by another thing."""

        def keep(thing: T) -> T:
            if self._found.get(name, thing) is not thing:
                raise ConfigError(f"Two things register the {self.kind} {name!r}.")
            self._found[name] = thing
            return thing

        return keep

    def get(self, name: str) -> T:
        """Raises ConfigError, with the nearest name, when there is none."""
        self._load()
        try:
            return self._found[name]
        except KeyError:
            raise ConfigError(unknown(self.kind, name, self._found)) from None

    def names(self) -> list[str]:
        self._load()
        return sorted(self._found)

    def items(self) -> list[tuple[str, T]]:
        self._load()
        return sorted(self._found.items())

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for point in entry_points(group=self._group):
            self.register(point.name)(point.load())
