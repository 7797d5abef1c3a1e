"""`python -m pipeline.tokenizer` trains on training articles alone, or takes a ready-made tokenizer over."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from pipeline.articles.split import digest, split_of
from pipeline.settings import SplitSettings
from pipeline.tokenizer import load, main, save, train
from pipeline.tokens.encoder import HARD_TEXT, Encoder
from tests.helpers.dumps import Page, make_dump
from tests.helpers.hub_server import hub_environment, hub_server
from wikilm.cli import run
from wikilm.errors import RunError, UsageError

WORDS = "the river of stone runs under a bridge and the old town wakes to bells in every morning".split()  # noqa: SIM905
TEXTS = [" ".join(random.Random(number).choices(WORDS, k=80)) for number in range(40)]
PARAMS = """
source: {path: none.xml.bz2, unit_bytes: 4000}
split: {seed: 0, validation_fraction: 0.3, take: null}
tokenizer: {vocab_size: 320, pretrained: null}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "made"
    save(train(TEXTS, 300), path, {"vocab_size": 300})
    return path


@pytest.fixture
def params(tmp_path) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path / "params.yaml"


def failed(capsys, *arguments) -> tuple[int, str]:
    """Exit status and the one line on stderr."""
    try:
        status = run(main, "tokenizer", [str(argument) for argument in arguments])
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr().err.strip().splitlines()
    lines = [line for line in said if not line.startswith("words: ")]  # of the progress, on a slow machine
    assert len(lines) == 1, said
    return status, lines[0]


@pytest.mark.slow
def test_training_gives_the_same_bytes_again_in_any_order_and_with_any_number_of_threads(tmp_path):
    script = (
        "import sys; from tests.pipeline.test_tokenizer import TEXTS, train\n"
        "from pathlib import Path; texts = TEXTS[::-1] if sys.argv[2] == 'back' else TEXTS\n"
        "train(texts, 400).save_pretrained(sys.argv[1])"
    )
    train(TEXTS, 400).save_pretrained(tmp_path / "a")
    environment = {"RAYON_NUM_THREADS": "3", "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", script, tmp_path / "b", "back"], check=True, env=environment)
    first, second = ((tmp_path / name / "tokenizer.json").read_bytes() for name in "ab")
    assert first == second


def test_the_trained_folder_loads_with_all_bytes_and_both_special_tokens(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer) == Encoder(folder).vocab_size == 300
    assert tokenizer.eos_token == tokenizer.pad_token == tokenizer.bos_token == "<|endoftext|>"
    assert Encoder(folder).decode(Encoder(folder).encode_batch([HARD_TEXT]).ids) == HARD_TEXT
    assert tokenizer.model_max_length > 10**9  # no warning about whole articles


def test_the_mask_takes_the_space_before_it_as_a_word_does(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("the river <|mask|> stone")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids).count("<|mask|>") == 1
    assert "Ġ" not in tokenizer.convert_ids_to_tokens(ids)


def test_a_folder_with_only_vocab_and_merges_is_taken_over_and_gets_a_mask(folder, tmp_path):
    bare = bare_copy(folder, tmp_path, gap=False)
    arguments = ["--pretrained", str(bare), "--output", str(tmp_path / "out"), "--params", str(_p(tmp_path))]
    assert run(main, "x", arguments) == 0
    encoder, loaded = Encoder(tmp_path / "out"), AutoTokenizer.from_pretrained(tmp_path / "out")
    assert encoder.mask_id == loaded.mask_token_id == 299
    assert encoder.vocab_size == len(loaded) == 300
    assert encoder.mask_id in loaded("the river <|mask|> of")["input_ids"]
    assert loaded.eos_token_id == encoder.end_of_text_id == 0
    texts = [encoder.decode(ids) for ids in encoder.encode_batch([HARD_TEXT, *TEXTS])]
    assert texts == [HARD_TEXT, *TEXTS]


def test_a_vocabulary_in_which_the_mask_would_share_an_id_is_refused(folder, tmp_path):
    tokenizer = load(str(bare_copy(folder, tmp_path, gap=True)))
    with pytest.raises(RunError, match="share an id"):
        save(tokenizer, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def bare_copy(folder, tmp_path, gap: bool) -> Path:
    """vocab.json and merges.txt of a tokenizer, less the mask; with `gap`, its id stays free."""
    model = json.loads((folder / "tokenizer.json").read_bytes())["model"]
    tokens = [token for token in sorted(model["vocab"], key=model["vocab"].get) if token != "<|mask|>"]
    vocab = {token: model["vocab"][token] if gap else number for number, token in enumerate(tokens)}
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "vocab.json").write_text(json.dumps(vocab))
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (tmp_path / "bare" / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    return tmp_path / "bare"


@pytest.mark.slow
def test_a_hub_name_is_fetched_and_a_hub_without_it_is_told_in_one_line(folder, tmp_path):
    with hub_server({"tiny/model": folder}) as (address, _):
        script = (
            "import sys; from pipeline.tokenizer import main; from wikilm.cli import run\n"
            "for name, output in zip(sys.argv[2::2], sys.argv[3::2], strict=True):\n"
            "    flags = ['--pretrained', name, '--params', sys.argv[1], '--output', output]\n"
            "    print('ended with', run(main, 'tokenizer', flags), file=sys.stderr)"
        )
        names = ["tiny/model", tmp_path / "0", "tiny/none", tmp_path / "1"]
        command = [sys.executable, "-c", script, _p(tmp_path), *names]
        environment = os.environ | hub_environment(address, tmp_path / "home")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    told = done.stderr.partition("ended with 0\n")[2]
    assert told.strip().splitlines()[1:] == ["ended with 1"], done.stderr
    assert "--pretrained tiny/none: cannot load" in done.stderr
    assert Encoder(tmp_path / "0").vocab_size == 300
    assert not (tmp_path / "1").exists()


def _p(tmp_path) -> Path:
    (tmp_path / "p.yaml").write_text(PARAMS)
    return tmp_path / "p.yaml"


def test_the_command_learns_from_training_articles_only(tmp_path, params, capsys):
    split = SplitSettings(seed=0, validation_fraction=0.3)
    secret = "qzxj" * 30  # what only validation articles say is no token
    pages = [
        Page(number, f"T{number}", TEXTS[number] + (f" {secret}" if split_of(split, number) == "validation" else ""))
        for number in range(1, 30)
    ]
    dump = make_dump(tmp_path / "x-multistream.xml.bz2", [*pages, Page(99, "Talk:X", secret * 9, ns=1)])
    for name in ("one", "two"):
        arguments = ["--source", str(dump), "--output", str(tmp_path / name), "--params", str(params)]
        assert run(main, "tokenizer", arguments) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["sha256"] == Encoder(tmp_path / "one").sha256
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "two")]
    assert files[0] == files[1]
    for name in files[0]:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    vocabulary = AutoTokenizer.from_pretrained(tmp_path / "one").get_vocab()
    assert not any("qz" in token or "zx" in token for token in vocabulary)


def made(tmp_path, params, name, dump, *more) -> dict[str, bytes]:
    """The files of a tokenizer that the command has trained."""
    arguments = ["--source", dump, "--output", tmp_path / name, "--params", params, *more]
    assert run(main, "tokenizer", [str(argument) for argument in arguments]) == 0
    return {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}


@pytest.fixture
def dump(tmp_path) -> Path:
    """Articles enough for several units."""
    pages = [Page(number, f"T{number}", f"{text} word{number % 7} é\n\n{text}") for number, text in enumerate(TEXTS, 1)]
    return make_dump(tmp_path / "w-multistream.xml.bz2", pages, pages_per_stream=3)


def test_the_same_bytes_come_from_any_number_of_workers_and_nothing_is_left_beside_them(tmp_path, params, dump):
    (tmp_path / "out").mkdir()
    units = ("--unit-bytes", 500)
    runs = [
        made(tmp_path / "out", params, "one", dump, *units, "--direct_running_mode", "in_memory"),
        made(tmp_path / "out", params, "threads", dump, *units, "--direct_running_mode", "multi_threading",
             "--direct_num_workers", 3),
        made(tmp_path / "out", params, "processes", dump, *units, "--direct_running_mode", "multi_processing",
             "--direct_num_workers", 2),
    ]  # fmt: skip
    assert json.loads(runs[0]["provenance.json"])["source"]["units"] > 3
    assert runs[0] == runs[1] == runs[2]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one", "processes", "threads"]


def test_a_sample_is_made_of_the_training_articles_with_the_smallest_digests(tmp_path, params, dump):
    split = SplitSettings(seed=0, validation_fraction=0.3)
    train_ids = [number for number in range(1, len(TEXTS) + 1) if split_of(split, number) == "train"]
    smallest = sorted(train_ids, key=lambda number: digest(0, number))[:5]
    texts = [f"{TEXTS[number - 1]} word{number % 7} é\n\n{TEXTS[number - 1]}" for number in smallest]
    train(texts, 320).save_pretrained(tmp_path / "expected")
    expected = (tmp_path / "expected" / "tokenizer.json").read_bytes()
    few = made(tmp_path, params, "few", dump, "--sample", 5)
    assert few["tokenizer.json"] == expected
    assert json.loads(few["provenance.json"])["sample"] == 5
    assert made(tmp_path, params, "fewer", dump, "--sample", 9, "--take", "5,2")["tokenizer.json"] == expected
    everything = made(tmp_path, params, "all", dump)
    assert made(tmp_path, params, "many", dump, "--sample", 999)["tokenizer.json"] == everything["tokenizer.json"]
    assert "sample" not in json.loads(everything["provenance.json"])


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["in_memory", "multi_processing"])
def test_a_worker_that_fails_ends_the_run_in_one_line_and_leaves_nothing(tmp_path, params, dump, capsys, mode):
    stored = bytearray(dump.read_bytes())
    stored[len(stored) // 2 : len(stored) // 2 + 40] = bytes(40)
    dump.write_bytes(stored)
    (tmp_path / "out").mkdir()
    arguments = ("--source", dump, "--params", params, "--output", tmp_path / "out" / "made", "--unit-bytes", 500)
    status, line = failed(capsys, *arguments, "--direct_running_mode", mode)
    assert status == 1
    assert dump.name in line
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_holds_something_else_is_kept_and_a_tokenizer_of_ours_is_replaced(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(UsageError, match="--output"):
        save(tokenizer, tmp_path / "mine", {})
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    with pytest.raises(UsageError, match="--output /proc: is a mount point"):
        save(tokenizer, Path("/proc"), {})
    for number in (1, 2):
        save(tokenizer, tmp_path / "ours", {"number": number})
    assert json.loads((tmp_path / "ours" / "provenance.json").read_text()) == {"number": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "ours"]


def test_mistakes_end_in_one_line_that_names_the_flag_or_file(tmp_path, params, capsys):
    with_params = ("--params", params, "--output", tmp_path / "out")
    assert failed(capsys, *with_params, "--source", tmp_path / "no.xml.bz2")[0] in (1, 2)
    assert failed(capsys, *with_params, "--pretrained", tmp_path / "no")[0] == 1
    status, line = failed(capsys, *with_params, "--vocab-size", "12")
    assert status == 2
    assert "--vocab-size" in line
    assert failed(capsys, *with_params, "--vocab-size", "300", "--pretrained", "gpt2")[0] == 2
    for wrong in (("--sample", "0"), ("--sample", "5", "--pretrained", "gpt2"), ("--direct-workers", "2")):
        status, line = failed(capsys, *with_params, *wrong)
        assert status == 2
        assert wrong[0].removeprefix("--") in line
    assert failed(capsys, *with_params, "--beamly", "2")[0] == 2
    status, line = failed(capsys, "--params", tmp_path / "none.yaml")
    assert status == 2
    assert "none.yaml" in line
    assert not (tmp_path / "out").exists()


def test_a_source_without_training_articles_makes_no_tokenizer(tmp_path, params, capsys):
    dump = make_dump(tmp_path / "x.xml", [Page(1, "Talk:A", "text", ns=1)])
    status, line = failed(capsys, "--source", dump, "--params", params, "--output", tmp_path / "out")
    assert status == 1
    assert "no training articles" in line
    assert not (tmp_path / "out").exists()
