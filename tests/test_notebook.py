"""The notebook from top to bottom, on a tiny base and with one step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "finetune_colab.ipynb"


def test_every_cell_runs(corpus, tiny_base, tmp_path, monkeypatch, capsys):
    shutil.copytree(corpus, tmp_path / "corpus")
    shutil.copytree(tiny_base, tmp_path / "gpt2")
    monkeypatch.chdir(tmp_path)
    typed = iter(["Go on", "Walk back", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    names: dict = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code" or "setup" in cell["metadata"].get("tags", ()):
            continue
        exec("".join(cell["source"]).replace('"lora", None,', '"lora", 1,'), names)
    said = capsys.readouterr().out
    assert "harbour: 24 passages, 1 endings" in said
    assert "held-out text:" in said and "## Step 1" in said
    assert names["run"].result["steps"] == 1
    assert "\n> Go on\n" in names["story"] and "\n> Walk back\n" in names["story"]
    assert list(typed) == []
