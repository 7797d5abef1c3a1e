"""index and trace on the command line: from shards to the rows of a text; weights are read where a model writes."""

import json
import shutil

import pytest

from probes.__main__ import PROGRAM, main
from probes.trace import build_index
from tests.helpers.tokenizers import SENTENCES
from wikilm.cli import run


@pytest.fixture
def ask(tmp_path, tiny, tiny_shards, capsys, monkeypatch):
    """Run a probe in a folder with shards, their index and a model; return the status and what it said."""
    build_index(tiny_shards, tmp_path / "data" / "index", 200)
    shutil.copytree(tiny / "shards", tmp_path / "data" / "shards")
    shutil.copytree(tiny / "causal", tmp_path / "model")
    monkeypatch.chdir(tmp_path)

    def run_it(*argv):
        status = run(main, PROGRAM, list(argv))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run_it


def test_a_text_is_traced_without_weights(ask, tmp_path):
    (tmp_path / "model" / "model.safetensors").unlink()
    status, out, _ = ask("trace", "--model", "model", "--text", f"Zq {SENTENCES[0]}", "--json")
    assert status == 0
    result = json.loads(out)
    [text] = result["texts"]
    [run, *_] = text["trace"]["runs"]
    assert run["text"].strip() in SENTENCES[0]
    first, last = run["characters"]
    assert text["trace"]["text"][first:last] == run["text"]
    assert run["places"][0]["articles"][0]["url"].startswith("https://example.org/wiki/T")
    assert ask("trace", "--model", "model", "--generate", "A")[0] == 1


def test_what_a_model_writes_is_traced_the_same_from_its_prompt_and_from_its_answers(ask, tmp_path):
    ask("generate", "--model", "model", "--prompt", "A river", "--max-new-tokens", "9", "--output", "g.json")
    status, one, _ = ask("trace", "--model", "model", "--generate", "A river", "--max-new-tokens", "9", "--json")
    assert status == 0
    status, two, _ = ask("trace", "--model", "model", "--generation", "g.json", "--json", "--output", "t.json")
    assert status == 0
    assert two == (tmp_path / "t.json").read_text()
    assert json.loads(one)["texts"] == json.loads(two)["texts"]
    assert json.loads(one)["summaries"][0]["tokens"] == 9
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert "g.json: made from another config" in ask("trace", "--model", "model", "--generation", "g.json")[2]


def test_recited_rows_are_traced_to_themselves(ask):
    lengths = ("--prefix", "8", "--continue", "8", "--prefix-lengths", "8", "--rows", "3", "--examples", "3")
    ask("recite", "--model", "model", "--shards", "data/shards", *lengths, "--output", "r.json")
    status, out, _ = ask("trace", "--model", "model", "--recitation", "r.json")
    assert status == 0
    assert "recited after the start of a train row" in out
    assert "rows of validation" in out


@pytest.mark.parametrize(
    ("argv", "status", "named"),
    [
        ((), 2, "--text"),
        (("--text", "a", "--index", "none"), 1, "none/manifest.json"),
        (("--text", "a", "--shards", "model"), 1, "model/manifest.json"),
        (("--text", "a", "--min-tokens", "0"), 2, "--min-tokens"),
        (("--generation", "model/config.json"), 1, "not a result of generate"),
        (("--recitation", "none.json"), 1, "none.json"),
        (("--generation", "wrong.json"), 1, "wrong.json: token id 70000"),
        (("--generation", "other.json"), 1, "other.json: made_from"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(ask, tmp_path, argv, status, named):
    (tmp_path / "wrong.json").write_text('{"generations": [{"prompt": "", "ids": [70000]}]}')
    (tmp_path / "other.json").write_text('{"generations": [{"prompt": "", "ids": [7]}]}')
    code, out, err = ask("trace", "--model", "model", *argv)
    assert (code, out) == (status, "")
    assert err.count("\n") == 1
    assert named in err


def test_an_index_is_made_and_checked(ask, tmp_path):
    shutil.rmtree(tmp_path / "data" / "index")
    flags = ("--shards", "data/shards", "--output", "data/index")
    assert ask("index", *flags, "--part-tokens", "300")[1].startswith("data/index: 960 tokens in 4 parts, 5,760 bytes")
    assert json.loads(ask("index", *flags, "--check", "--json")[1])["tokens"] == 960
    (tmp_path / "data" / "index" / "train-0000000000.tokens").write_bytes(b"")
    status, _, err = ask("index", *flags, "--check")
    assert status == 1
    assert "train-0000000000.tokens: not the file" in err
