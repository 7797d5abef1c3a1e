"""Canaries stand in the split train as often as the manifest says, whole, and are a function of the settings alone."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from pipeline.locate import main as locate
from pipeline.output.canaries import canaries, copies
from pipeline.show import main as show
from pipeline.verify import main as verify
from tests.helpers.pipeline_runs import PipelineInputs, small_wiki, tree
from wikilm.cli import run
from wikilm.errors import UsageError
from wikilm.shards import CANARY_SHARD, all_imbalances, open_checked, read_manifest

TIMES = (1, 4, 16)
FLAGS = ("--canaries", 2, "--canary-times", "1,4,16", "--chunk-tokens", 64)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return PipelineInputs(tmp_path_factory.mktemp("canaries"), small_wiki())


@pytest.fixture(scope="module")
def planted(inputs):
    assert inputs.run(inputs.folder / "planted", *FLAGS) == 0
    return inputs.folder / "planted"


@pytest.fixture(scope="module")
def bare(inputs):
    assert inputs.run(inputs.folder / "bare", "--chunk-tokens", 64) == 0
    return inputs.folder / "bare"


@given(
    each=st.integers(1, 5),
    times=st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True),
    seed=st.integers(0, 99),
)
@settings(max_examples=30)
def test_each_has_a_name_and_a_number_of_its_own_and_as_many_copies_as_it_says(each, times, seed):
    found = canaries(each, times, seed)
    assert [entry.times for entry in found] == [count for count in times for _ in range(each)]
    assert len({entry.before for entry in found}) == len(found)
    assert found == canaries(each, times, seed)
    order = copies(found, seed)
    assert np.bincount(order, minlength=len(found)).tolist() == [entry.times for entry in found]


def test_the_rows_hold_each_sentence_whole_as_often_as_the_manifest_says(inputs, planted):
    manifest = read_manifest(planted)
    rows = open_checked(planted).rows("train")
    own = rows.take(np.arange(manifest.article_rows("train"), len(rows)))
    decoder = Tokenizer.from_file(str(inputs.tokenizer / "tokenizer.json"))
    texts = [decoder.decode(row.tolist(), skip_special_tokens=False) for row in own]
    assert [entry.times for entry in manifest.canaries] == [count for count in TIMES for _ in range(2)]
    for entry in manifest.canaries:
        assert sum(text.count(entry.text) for text in texts) == entry.times
    assert sum(row.count(manifest.tokenizer.end_of_text_id) for row in own.tolist()) >= manifest.counts.canaries


def test_the_ledger_balances_with_them_and_a_false_count_is_told(planted, bare):
    with_them, without = read_manifest(planted), read_manifest(bare)
    [shard] = [shard for shard in with_them.shards if shard.path == CANARY_SHARD]
    assert list(all_imbalances(with_them)) == []
    assert with_them.counts.canaries == 2 * sum(TIMES)
    assert with_them.counts.tokens - without.counts.tokens == shard.tokens == shard.rows * 64
    assert with_them.counts.articles == without.counts.articles
    wrong = with_them.model_copy(update={"canaries": with_them.canaries[1:]})
    assert list(all_imbalances(wrong)) == ["canaries = 42, but those listed are planted 41 times"]


def test_without_them_all_shards_are_the_same_bytes_and_nothing_speaks_of_them(planted, bare):
    one, other = tree(planted), tree(bare)
    assert {path for path in one if path.endswith("arrow") and one[path] != other.get(path)} == {
        CANARY_SHARD,
        "articles/train-canaries.arrow",
    }
    assert not any(b"canar" in data for data in other.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_bytes(inputs, planted, tmp_path, workers):
    more = ("--direct_running_mode", "multi_threading", "--direct_num_workers", workers)
    assert run_with(inputs, tmp_path / "again", *FLAGS, *more) == 0
    assert tree(tmp_path / "again") == tree(planted)


def run_with(inputs, output, *more):
    from pipeline.__main__ import main

    return run(main, "pipeline", inputs.arguments(output, *more))


def test_a_row_of_them_is_located_verified_and_has_no_page_to_show(inputs, planted, capsys):
    manifest = read_manifest(planted)
    locate(["--shards", str(planted), "--split", "train", "--row", str(manifest.article_rows("train"))])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["shard"] == CANARY_SHARD
    by_id = {-1 - number: entry.text for number, entry in enumerate(manifest.canaries)}
    assert {one["title"] for one in found["articles"]} == {
        f"canary: {by_id[one['page_id']]}" for one in found["articles"]
    }
    assert {one["url"] for one in found["articles"]} == {None}
    verify([str(planted)])
    with pytest.raises(UsageError, match="is a canary"):
        show(["--source", str(inputs.dump), "--page-id", "-1", "--params", str(inputs.params)])


def test_a_row_that_is_too_short_for_a_sentence_is_refused(inputs, tmp_path, capsys):
    assert run_with(inputs, tmp_path / "short", "--canaries", 1, "--chunk-tokens", 16) == 2
    assert "a sentence has" in capsys.readouterr().err
    assert not (tmp_path / "short" / "manifest.json").exists()
