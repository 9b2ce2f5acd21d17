"""The plan of the house, read from the imports: who may call whom (docs/design.md)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# room → rooms it may import at module level; a name covers what lies below it
ALLOWED = {
    "textxfer.story": set(),
    "textxfer.errors": set(),
    "textxfer.registry": {"textxfer.errors"},
    "textxfer.tokenizer": set(),
    "textxfer.corpus": {"textxfer.corpus"},
    "textxfer.models": {"textxfer.models"},
    "textxfer.methods": {"textxfer.methods", "textxfer.models"},
    "textxfer.engine": {"textxfer.engine", "textxfer.models", "textxfer.methods", "textxfer.runs"},
    "serve": {"serve", "textxfer.engine", "textxfer.corpus.render", "textxfer.runs"},
    "scrapers": {"scrapers", "textxfer.corpus"},
}
EVERYONE = {"textxfer.story", "textxfer.errors", "textxfer.registry", "textxfer.tokenizer"}


def modules() -> dict[str, Path]:
    found = {}
    for package in ("textxfer", "scrapers", "serve"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(p for p in parts if p != "__init__")] = path
    return found


def imports(path: Path, *, bodies: bool) -> set[str]:
    """Our modules that ``path`` imports: at module level, or (``bodies``) anywhere. TYPE_CHECKING does not count."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not bodies:
            return
        if isinstance(node, ast.Import):
            names.update(a.name for a in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            names.update(f"{node.module}.{a.name}" for a in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {n for n in names if n.split(".")[0] in {"textxfer", "scrapers", "serve"}}


def covered(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


@pytest.mark.parametrize("name", sorted(modules()))
def test_rooms_only_call_their_neighbours(name):
    room = next((r for r in sorted(ALLOWED, key=len, reverse=True) if covered(name, {r})), None)
    used = imports(modules()[name], bodies=True)
    if room is not None:
        strangers = {n for n in used if not covered(n, ALLOWED[room] | EVERYONE)}
        assert strangers == set()
    if name.startswith("textxfer"):
        outside = {n for n in used if n.split(".")[0] in {"serve", "scrapers"}}
        at_top = {n for n in imports(modules()[name], bodies=False) if n.split(".")[0] in {"serve", "scrapers"}}
        assert at_top == set()
        assert not outside or name.startswith("textxfer.cli.")


def test_the_rule_sees_a_stranger(tmp_path):
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from textxfer.training.loop import train_loop\n")
    assert imports(file, bodies=True) == {"textxfer.training.loop.train_loop"}
    assert imports(file, bodies=False) == set()
    assert not covered("textxfer.training.loop.train_loop", ALLOWED["textxfer.engine"] | EVERYONE)


@pytest.mark.parametrize(
    "module",
    [
        "textxfer",
        "textxfer.cli.main",
        "textxfer.story",
        "textxfer.engine",
        "textxfer.corpus.read",
        "textxfer.corpus.tokens",
        "scrapers",
    ],
)
def test_these_import_without_torch(module):
    code = f"import sys, importlib; importlib.import_module({module!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_files_stay_readable():
    long = {n: k for n, p in modules().items() if (k := len(p.read_text(encoding="utf-8").splitlines())) > 330}
    assert long == {}


def test_no_utils():
    assert [n for n in modules() if n.split(".")[-1] in {"utils", "helpers", "misc", "common"}] == []
