"""params.yaml: what is right is loaded as it stands, and what is wrong names its key."""

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.flags import source_settings
from pipeline.settings import ShardsSettings, SourceSettings, SplitSettings, TokenizerSettings
from pipeline.source.listing import find_files
from tests.helpers import ROOT
from wikilm.errors import UsageError
from wikilm.params import SECTIONS, Section, built_in, checked, section, settings_of

SOURCE_FLAGS = (
    "unit_bytes",
    "contact",
    "mirror",
    "max_page_bytes",
    "max_page_seconds",
    "namespaces",
    "templates",
    "template_redirects",
    "formulas",
    "columns",
)
SHARDS = "shards: {chunk_tokens: 128, chunking: pack, max_dead_fraction: 0.5}\n"


class Inner(Section):
    """A section within a section."""

    layers: int


class Outer(Section):
    """A section that holds another."""

    shape: Inner
    learning_rate: float


def load(tmp_path, text, key="shards", settings=ShardsSettings, overrides=None):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return section(path, key, settings, overrides)


def test_a_section_is_loaded_and_frozen(tmp_path):
    settings = load(tmp_path, SHARDS)
    assert settings == ShardsSettings(chunk_tokens=128, chunking="pack", max_dead_fraction=0.5)
    with pytest.raises(ValueError, match="frozen"):
        settings.chunk_tokens = 64


def test_without_a_params_file_the_laptop_preset_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for key in SECTIONS:
        assert isinstance(section(None, key, settings_of(key)), settings_of(key))
    assert section(None, "shards", ShardsSettings, {"chunk_tokens": 64}).chunk_tokens == 64
    assert Path(section(None, "source", SourceSettings).path).is_file(), "the bundled corpus, wherever one is"
    with pytest.raises(UsageError, match=r"^--chunk-tokens: should be greater"):
        section(None, "shards", ShardsSettings, {"chunk_tokens": 2})
    (tmp_path / "params.yaml").write_text(SHARDS.replace("128", "32"))
    assert section(None, "shards", ShardsSettings).chunk_tokens == 32
    with pytest.raises(UsageError, match="no such params file"):
        section(tmp_path / "other.yaml", "shards", ShardsSettings)


def test_a_source_elsewhere_is_taken_instead_of_the_path_that_dvc_hashes(tmp_path):
    text = "source: {path: here.bz2, address: 'wikimedia:ltgwiki/latest', unit_bytes: 1}"
    assert load(tmp_path, text, "source", SourceSettings).path == "wikimedia:ltgwiki/latest"
    named = argparse.Namespace(
        params=tmp_path / "params.yaml", source=[{"path": "there.bz2"}], share=None, **dict.fromkeys(SOURCE_FLAGS)
    )
    assert source_settings(named).path == "there.bz2"
    with pytest.raises(UsageError, match=r"source\.address: .*5"):
        load(tmp_path, text.replace("'wikimedia:ltgwiki/latest'", "5"), "source", SourceSettings)


def test_a_flag_wins_over_the_file(tmp_path):
    assert load(tmp_path, SHARDS, overrides={"chunk_tokens": 64}).chunk_tokens == 64


@pytest.mark.parametrize("number", ["5e-5", "5.0e-05", "0.00005"])
def test_numbers_are_read_as_dvc_reads_them(tmp_path, number):
    text = f"pretrain: {{causal: {{shape: {{layers: 2}}, learning_rate: {number}}}}}"
    assert load(tmp_path, text, "pretrain.causal", Outer).learning_rate == 5e-5


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SHARDS.replace("128", "'128'"), ["shards.chunk_tokens", "valid integer", "'128'"]),
        (SHARDS.replace("128", "1.5"), ["shards.chunk_tokens", "valid integer", "1.5"]),
        (SHARDS.replace("128", "0"), ["shards.chunk_tokens", "greater than or equal to 8", "0"]),
        (SHARDS.replace("pack", "packed"), ["shards.chunking", "'pack' or 'document'", "'packed'"]),
        (SHARDS.replace("chunking", "chunkign"), ["shards.chunkign", "no such key", "did you mean 'chunking'?"]),
        (SHARDS.replace("chunking: pack, ", ""), ["shards.chunking", "is missing"]),
        ("other: 1", ["section 'shards' is missing"]),
        ("shards: 3", ["section 'shards'", "3"]),
        ("shards: [", ["not valid YAML"]),
        ("shards: {chunking: 2020-13-45}", ["not valid YAML"]),
        ("shards: {chunking: !!int x}", ["not valid YAML"]),
        ("shards: {chunking: !!float x}", ["not valid YAML"]),
        ("shards: {chunking: !!bool maybe}", ["not valid YAML"]),
        ("shards: {chunking: " + "9" * 5000 + "}", ["not valid YAML"]),
        ("shards: " + "[" * 3000, ["not valid YAML"]),
        ("- a", ["must hold sections"]),
        ("shards: {chunking: pack}\nshards: {chunking: pack}", ["not valid YAML", "duplicate key"]),
    ],
)
def test_what_is_wrong_names_its_key_in_one_line(tmp_path, text, parts):
    with pytest.raises(UsageError) as error:
        load(tmp_path, text)
    message = str(error.value)
    assert message.startswith(str(tmp_path / "params.yaml"))
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        *(("compile", value, "auto, true or false, got") for value in ("yes", "true", 1, 0, None, [], {})),
        *((key, value, "32 bits") for key in ("weight_decay", "clip_norm") for value in (1e308, 3.5e38)),
        *(("learning_rate", value, "less than or equal to 1000000") for value in (1e308, 3.4e38, 1.1e6)),
        *((key, 10**40, "64 bits") for key in ("epochs", "batch_size", "layers", "width", "validation_rows")),
        ("lay\ners", 2, "no such key"),
    ],
)
def test_a_value_that_no_run_can_have_names_its_key(key, value, told):
    node = built_in()["pretrain"]["causal"] | {key: value}
    with pytest.raises(UsageError, match=rf"^params: pretrain\.causal\.{key}: .*{told}"):
        checked(node, "pretrain.causal", settings_of("pretrain.causal"), {}, "params")


def test_numbers_within_a_list_fit_in_a_number_of_a_machine_as_well():
    node = built_in()["shards"] | {"canary_times": [1, 2**80]}
    with pytest.raises(UsageError, match=r"shards\.canary_times"):
        checked(node, "shards", ShardsSettings, {}, "params")


def test_a_long_value_is_cut_in_the_error(tmp_path):
    with pytest.raises(UsageError) as error:
        load(tmp_path, SHARDS.replace("pack", "x" * 5000))
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def test_a_wrong_key_within_a_nested_section_is_named_whole(tmp_path):
    with pytest.raises(UsageError, match=r"pretrain\.causal\.shape\.layer: no such key; did you mean 'layers'"):
        load(
            tmp_path,
            "pretrain: {causal: {shape: {layer: 2, layers: 2}, learning_rate: 1}}",
            "pretrain.causal",
            Outer,
        )


def test_a_wrong_flag_is_named_as_a_flag(tmp_path):
    with pytest.raises(UsageError, match=r"^--chunk-tokens: should be greater than or equal to 8, got 2$"):
        load(tmp_path, SHARDS, overrides={"chunk_tokens": 2})


@pytest.mark.parametrize(
    ("text", "overrides", "named"),
    [
        ("vocab_size: 300", {"pretrained": "gpt2"}, "--pretrained: set one"),
        ("vocab_size: 300", {"pretrained": "gpt2", "vocab_size": None, "sample": 9}, "--pretrained: sample is for"),
        ("pretrained: gpt2", {"sample": 9}, "--sample: sample is for a new tokenizer"),
        ("vocab_size: 300, pretrained: a", {"sample": None}, "{params}: tokenizer: set one of"),
    ],
)
def test_flags_that_do_not_fit_with_the_rest_are_named_as_flags(tmp_path, text, overrides, named):
    with pytest.raises(UsageError) as error:
        load(tmp_path, f"tokenizer: {{{text}}}", "tokenizer", TokenizerSettings, overrides)
    assert str(error.value).startswith(named.format(params=tmp_path / "params.yaml"))


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ("path: a", "source.path"),
        ("path: a, address: b", "source.address"),
        ("path: a, mixture: [b, c]", "source.mixture"),
    ],
)
def test_a_source_that_is_not_there_is_told_with_what_has_named_it(tmp_path, monkeypatch, keys, named):
    monkeypatch.chdir(tmp_path)
    settings = load(tmp_path, f"source: {{{keys}, unit_bytes: 1}}", "source", SourceSettings)
    for named_so, name in ((settings, named), (settings.from_flag("--source"), "--source")):
        with pytest.raises(UsageError, match=f"^{name}: [ab]: no such file or folder$"):
            find_files(named_so.of(named_so.members[0]))


def test_a_missing_file_says_how_to_name_one(tmp_path):
    with pytest.raises(UsageError, match="no such params file; name one with --params"):
        section(tmp_path / "none.yaml", "shards", ShardsSettings)


@pytest.mark.parametrize("text", ["tokenizer: {}", "tokenizer: {vocab_size: 4096, pretrained: gpt2}"])
def test_a_tokenizer_is_trained_or_taken_not_both(tmp_path, text):
    with pytest.raises(UsageError, match="set one of vocab_size"):
        load(tmp_path, text, "tokenizer", TokenizerSettings)


def test_a_wrong_name_of_a_column_is_named_where_it_stands(tmp_path):
    text = "source: {path: a, unit_bytes: 1, mixture: [a, {path: b, columns: {body: x}}]}"
    with pytest.raises(UsageError, match=r"params\.yaml: source\.mixture\.1\.columns\.body: should be 'id', 'title'"):
        load(tmp_path, text, "source", SourceSettings)


@pytest.mark.parametrize("take", ["[0, 0]", "[-1, 5]", "[1]", "[1, 2, 3]", "five"])
def test_take_is_two_counts(tmp_path, take):
    with pytest.raises(UsageError, match=r"split"):
        load(tmp_path, f"split: {{seed: 0, validation_fraction: 0.1, take: {take}}}", "split", SplitSettings)


def test_the_committed_params_are_valid():
    for key in SECTIONS:
        assert section(ROOT / "params.yaml", key, settings_of(key))


@given(st.text(max_size=200))
def test_any_text_is_settings_or_a_usage_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(UsageError) as error:
        section(path, "shards", ShardsSettings)
    assert str(error.value).startswith(str(path))
