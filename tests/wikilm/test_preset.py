"""`wikilm preset`: params.yaml becomes what was chosen, keeps what was not, and is never left wrong or half-written."""

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers import ROOT
from wikilm import preset
from wikilm.cli import run
from wikilm.errors import UsageError
from wikilm.params import BUILT_IN, SECTIONS, read_params, section, settings_of
from wikilm.presets import PRESETS, describe, flat, nearest, overlay, values

NAMES = [one.name for one in PRESETS]
LAPTOP = flat(read_params(BUILT_IN))


@pytest.fixture
def params(tmp_path, monkeypatch):
    """The committed params.yaml, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(BUILT_IN, tmp_path / "params.yaml"))


def ask(*words: str) -> int:
    return run(preset.main, "wikilm preset", list(words))


def test_the_committed_params_are_the_laptop_preset():
    assert (ROOT / "params.yaml").read_bytes() == BUILT_IN.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_is_a_whole_set_of_valid_settings(name, params, capsys):
    assert ask(name) == 0
    for key in SECTIONS:
        assert section(params, key, settings_of(key))
    now = flat(read_params(params))
    assert set(now) == set(LAPTOP)
    assert now.items() >= overlay(name).items()
    assert nearest(now) == (PRESETS[NAMES.index(name)], [])


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_preset_says_only_what_differs_from_the_laptop_s(name):
    same = {key for key, value in overlay(name).items() if LAPTOP[key] == value}
    restated = {key for key in same if not key.startswith("pretrain.")}
    assert restated == set(), "the sections of pretrain are a recipe, and may state a value that happens to be the same"


def test_the_seed_preset_is_the_tutorial():
    seed = LAPTOP | values("seed")
    assert (seed["tokenizer.pretrained"], seed["split.take"]) == ("gpt2", [50, 50])
    assert (seed["shards.chunk_tokens"], seed["shards.chunking"]) == (128, "document")
    causal = {key.removeprefix("pretrain.causal."): value for key, value in seed.items() if "causal" in key}
    assert (causal["layers"], causal["heads"], causal["width"]) == (12, 12, 768)
    assert (causal["batch_size"], causal["epochs"], causal["validate_every_steps"]) == (16, 100, 500)
    assert (causal["optimizer"], causal["learning_rate"], causal["schedule"]) == ("adamw", 5e-5, "linear")


@pytest.mark.parametrize("between", [["seed"], ["wikipedia"], ["seed", "wikipedia"], ["wikipedia", "seed"]])
def test_the_laptop_preset_brings_the_file_back_byte_for_byte(between, params):
    for name in between:
        assert ask(name) == 0
    assert ask("laptop") == 0
    assert params.read_bytes() == BUILT_IN.read_bytes()


def test_nothing_of_the_preset_before_is_left(params):
    ask("wikipedia")
    ask("seed")
    after = params.read_bytes()
    ask("laptop")
    ask("seed")
    assert params.read_bytes() == after


def test_what_no_preset_is_about_and_every_comment_stay(params):
    text = params.read_text(encoding="utf-8").replace("# heading of the page", "# my own note")
    params.write_text(text.replace("title: What two small", "title: What my two small"), encoding="utf-8")
    assert ask("seed", "source.path=my.xml.bz2") == 0
    after = params.read_text(encoding="utf-8")
    assert "  title: What my two small language models know # my own note\n" in after
    assert "  path: my.xml.bz2 # " in after
    comments = re.compile(r"(?<=\s)#.*")
    assert comments.findall(after) == comments.findall(text)
    assert [line.partition(":")[0] for line in after.splitlines() if "- 50" not in line] == [
        line.partition(":")[0] for line in text.splitlines()
    ]


def test_what_changed_is_told_key_by_key(params, capsys):
    ask("pretrain.causal.epochs=77", "source.contact=me@example.org", "report.title=Hé: it's")
    told = capsys.readouterr().out
    assert re.search(rf"^  pretrain\.causal\.epochs +{LAPTOP['pretrain.causal.epochs']} -> 77$", told, re.MULTILINE)
    assert re.search(r'^  source\.contact +null -> "me@example.org"$', told, re.MULTILINE)
    assert told.count("->") == 3
    ask("pretrain.causal.epochs=77")
    assert capsys.readouterr().out == "params.yaml: nothing to change\n"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("pretrain.causal.learning_rate=5e-5", 5e-5),
        ("split.take=[8, 8]", [8, 8]),
        ("split.take=null", None),
        ("pretrain.masked.sample_prompt=[MASK] flows: to the sea", "[MASK] flows: to the sea"),
        ("report.title=a: b", "a: b"),
        ("report.title='2024'", "2024"),
        ("report.title=" + "long " * 40 + "title", "long " * 40 + "title"),
    ],
)
def test_a_value_is_yaml_or_a_text(word, value, params):
    assert ask(word) == 0
    assert flat(read_params(params))[word.partition("=")[0]] == value


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sede"], "'sede': no such preset; did you mean 'seed'?"),
        (["seed", "split.taek=[1,1]"], "split.taek: no such key; did you mean 'take'?"),
        (["seed", "splt.take=[1,1]"], "splt.take: no such key; did you mean 'split.take'?"),
        (["epochs=3"], "epochs: no such key; did you mean 'pretrain.causal.epochs'?"),
        (["pretrain=3"], "pretrain: no such key"),
        (["seed", "split.take"], "'split.take': write key=value"),
        (["seed", "split.validation_fraction=2"], "split.validation_fraction: should be less than 1, got 2"),
        (["pretrain.causal.epochs=many"], "pretrain.causal.epochs: should be a valid integer, got 'many'"),
        (["tokenizer.pretrained=gpt2"], "tokenizer: set one of vocab_size"),
        (["pretrain.causal.width=77"], "pretrain.causal: width must be a multiple of heads"),
    ],
)
def test_what_is_wrong_is_named_in_one_line_and_nothing_is_written(words, told, params, capsys):
    assert ask(*words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"wikilm preset: error: {told}")
    assert error.count("\n") == 1
    assert params.read_bytes() == BUILT_IN.read_bytes()


def test_a_fault_that_was_there_before_is_named_with_its_file(params, capsys):
    broken = params.read_text(encoding="utf-8").replace("  title:", "  titel:")
    params.write_text(broken, encoding="utf-8")
    assert ask("seed") == 2
    assert "params.yaml: report.titel: no such key; did you mean 'title'?" in capsys.readouterr().err
    params.write_text("report: {title: a, sample: b}\n")
    assert ask("seed") == 2
    assert "params.yaml: section 'source' is missing" in capsys.readouterr().err


def test_where_there_is_no_params_file_one_is_written_with_all_comments(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ask("laptop") == 0
    assert (tmp_path / "params.yaml").read_bytes() == BUILT_IN.read_bytes()
    assert capsys.readouterr().out.startswith("params.yaml: new\n")


def test_a_link_stays_a_link(params, tmp_path):
    real = tmp_path / "elsewhere.yaml"
    params.rename(real)
    params.symlink_to(real)
    ask("report.title=Hi")
    assert params.is_symlink()
    assert flat(read_params(real))["report.title"] == "Hi"


def test_a_full_device_leaves_the_file_as_it_was(params, monkeypatch, capsys):
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert ask("seed") == 1
    assert params.read_bytes() == BUILT_IN.read_bytes()
    assert list(params.parent.iterdir()) == [params]


def test_the_list_says_what_each_takes_and_which_one_holds(params, capsys):
    ask("seed", "report.title=Hi")
    capsys.readouterr()
    assert ask() == 0
    told = capsys.readouterr().out
    for one in PRESETS:
        assert one.purpose in told
        assert one.takes in told
    assert told.endswith("params.yaml: seed, changed in report.title\n")


def test_a_run_of_another_preset_is_announced_with_what_it_takes(params):
    assert describe(params) is None
    ask("report.title=Hi")
    assert "preset laptop" in describe(params)
    assert "report.title" in describe(params)
    ask("seed")
    assert "preset seed" in describe(params)
    assert "165 hours" in describe(params)
    ask("pretrain.causal.layers=6", "pretrain.masked.layers=6")
    assert "preset seed" in describe(params), "a preset with some changes is told as what it is nearest to"
    assert describe(params.with_name("none.yaml")) is None
    params.write_text("report: [")
    with pytest.raises(UsageError, match="not valid YAML"):
        describe(params)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=120))
def test_any_title_is_kept_as_it_is_or_refused(params, title):
    shutil.copy(BUILT_IN, params)
    status = ask(f"report.title={title}")
    now = flat(read_params(params))
    if status:
        assert params.read_bytes() == BUILT_IN.read_bytes()
    else:
        assert now["report.title"] == preset.assignment(f"report.title={title}")[1]
    assert {key: value for key, value in now.items() if key != "report.title"} == {
        key: value for key, value in LAPTOP.items() if key != "report.title"
    }


def test_a_key_without_a_value_is_told_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"write source\.path=VALUE"):
        preset.main(["source.path"])
