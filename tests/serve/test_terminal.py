"""The game in a terminal."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from serve.store import Store
from serve.terminal import Terminal, Wrapped
from serve.turns import Game
from serve.worlds import World


def played(world: World, folder: Path, *lines: str, seed: int = 1) -> tuple[str, Game]:
    """What the terminal shows when these lines are typed."""
    out = io.StringIO()
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(folder / "play.db"))
        game = Game(world, store)
        Terminal(game, runner, io.StringIO("".join(line + "\n" for line in lines)), out, seed).play()
        runner.run(store.close())
    return out.getvalue(), game


def turns(folder: Path) -> list[tuple[str, str, str]]:
    with sqlite3.connect(folder / "play.db") as database:
        return database.execute("select mode, input, text from turns order by seq").fetchall()


def test_prose_is_wrapped_wherever_it_is_broken_into_stretches() -> None:
    prose = "You open the gate.  The hinge complains,\nand the\x1b[2J garden lies before you."
    for cut in range(0, len(prose), 7):
        out = io.StringIO()
        wrapped = Wrapped(out, 20)
        space = prose.find(" ", cut)
        wrapped.write(prose[:space])
        wrapped.write(prose[space:])
        assert out.getvalue() == "You open the gate.\nThe hinge complains,\nand the[2J garden\nlies before you."


def test_a_game_is_played_and_kept(world: World, tmp_path: Path) -> None:
    shown, _ = played(world, tmp_path, "open the gate", '"Who is there?"', "/story You knock", "", "/quit", "never")
    assert shown.startswith("You wake to the sound of rain on a tin roof. The room is small and bare: a bed,\n")
    assert [(mode, line) for mode, line, _ in turns(tmp_path)] == [
        ("opening", ""),
        ("do", "Open the gate"),
        ("say", 'Say "Who is there?"'),
        ("story", "You knock"),
        ("continue", ""),
    ]


def test_a_seed_makes_the_game_again(world: World, tmp_path: Path) -> None:
    lines = ("open the gate", "/retry", "go in")
    games = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        played(world, tmp_path / name, *lines, seed=seed)
        games.append(turns(tmp_path / name))
    assert games[0] == games[1] != games[2]
    assert games[0][1][2] != games[0][2][2]  # a retry is another outcome


def test_commands_that_are_not_there_are_no_actions(world: World, tmp_path: Path) -> None:
    shown, _ = played(world, tmp_path, "/und", "/Retry now", "/xyzzy", "/help")
    assert "There is no /und. Did you mean /undo?\n" in shown
    assert "There is no /Retry. Did you mean /retry?\n" in shown
    assert "There is no /xyzzy. /help lists what there is.\n" in shown
    assert "/undo /redo         a turn back, a turn forth\n" in shown
    assert len(turns(tmp_path)) == 1


def test_undo_redo_edit_memory(world: World, tmp_path: Path) -> None:
    lines = ["/undo", "knock", "/edit Nobody answers.", "/undo", "/redo", "/redo", "/memory I am Ada.", "/memory"]
    shown, _ = played(world, tmp_path, *lines)
    assert "There is nothing to undo: this is the opening.\n" in shown
    assert shown.count("> Knock\nNobody answers.\n") == 2  # after the edit, and after the redo
    assert "There is nothing to redo.\n" in shown
    assert shown.count("Memory: I am Ada.\n") == 2


def test_stories_are_saved_by_name_and_loaded(world: World, tmp_path: Path) -> None:
    played(world, tmp_path, "knock", "/edit Nobody answers.", "/save The Gate")
    shown, _ = played(world, tmp_path, "/stories", "/load the gat", "/load the gate", "wait", "/load")
    assert "(1 story is kept here: /stories)\n" in shown
    assert "  1  A new story  (this one)\n  2  The Gate\n" in shown
    assert "There is no story 'the gat'. Did you mean 'The Gate'? Known: The Gate.\n" in shown
    assert "The Gate\n\nYou wake to" in shown and "> Knock\nNobody answers.\n" in shown
    with sqlite3.connect(tmp_path / "play.db") as database:
        (story,) = database.execute("select story from turns where input = 'Wait'").fetchone()
        assert database.execute("select title from stories where id = ?", (story,)).fetchone() == ("The Gate",)


def test_ctrl_c_stops_a_turn_and_keeps_it(patient: Any, tmp_path: Path) -> None:
    endless = patient.endless()
    bias = tuple((token, float(value)) for token, value in endless["logit_bias"].items())
    world = patient.game.world
    slow = replace(world, sampling=replace(world.sampling, max_tokens=8000, logit_bias=bias))
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    shown, _ = played(slow, tmp_path, "wait", "/memory after")
    assert "\n(stopped)\n" in shown and "Memory: after\n" in shown
    mode, line, text = turns(tmp_path)[1]
    assert (mode, line) == ("do", "Wait") and 0 < len(text) < 8000
    patient.wait_for(lambda: patient.in_flight == 0, seconds=2)


def test_the_command_plays_from_a_pipe(model_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "textxfer", "play", str(model_folder), "--seed", "1", "--data", str(tmp_path)]
    done = subprocess.run(
        command,
        input=b"knock\n\xff\n/undo\n",
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    assert done.stdout.decode().startswith("You wake to the sound of rain")
    assert [(mode, line) for mode, line, _ in turns(tmp_path)][1:] == [("do", "Knock"), ("do", "\ufffd")]
