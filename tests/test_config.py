from __future__ import annotations

import pytest

from textxfer.config import difference, known_keys, make_config, parse_override, read_config
from textxfer.errors import ConfigError


def test_defaults_are_sensible_and_open_values_stay_open():
    config = make_config({"corpus": "corpus"})
    assert (config.base, config.method, config.optim.lr) == ("gpt2", {"name": "lora"}, None)


def test_overrides_win_and_are_read_as_yaml():
    config = make_config(
        {"corpus": "c", "optim": {"lr": 1.0}},
        ["optim.lr=5e-4", "data.holdout=[a, b]", "checkpoint.every_steps=5", "method.r=4"],
    )
    assert config.optim.lr == 0.0005
    assert config.data.holdout == ["a", "b"]
    assert config.checkpoint.every_steps == 5
    assert config.method == {"name": "lora", "r": 4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optim.lrr=1", "There is no setting 'optim.lrr'. Did you mean 'optim.lr'?"),
        ("optim.lr", "--set wants key=value, got 'optim.lr'"),
        ("optim.lr=-1", "optim.lr is -1: input should be greater than 0."),
        ("optim.name=sgd", "optim.name is 'sgd': input should be 'adamw' or 'muon'."),
        ("data.validation=2", "data.validation is 2: input should be less than or equal to 0.5."),
    ],
)
def test_a_fault_is_one_line_that_names_it(text, said):
    with pytest.raises(ConfigError) as error:
        make_config({"corpus": "c"}, [text])
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_every_key_can_be_set():
    keys = known_keys()
    assert {"optim.lr", "schedule.steps", "checkpoint.every_steps", "method", "sample.prompts"} <= set(keys)
    for key in keys:
        assert parse_override(f"{key}=1")[0] == key


def test_differences_are_shown_by_their_dotted_keys():
    old = {"optim": {"lr": 1, "name": "adamw"}, "seed": 0}
    assert difference(old, {"optim": {"lr": 2, "name": "adamw"}, "seed": 0}) == ["optim.lr: 1 → 2"]
    assert difference(old, old) == []


def test_a_file_of_settings(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("optim: {lr: 0.1}\n")
    assert read_config(file) == {"optim": {"lr": 0.1}}
    file.write_text("- a list\n")
    with pytest.raises(ConfigError, match="holds no settings"):
        read_config(file)
    file.write_text("a: [")
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        read_config(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "missing.yaml")
