"""The summary of a run names the fate of every page, and its numbers end in one column."""

from pipeline.run.summary import Outcome, table
from tests.helpers.manifests import BALANCED, manifest, shard
from wikilm.shards.manifest import Counts

MADE_UP = manifest()
MANIFEST = MADE_UP.model_copy(
    update={
        "source": MADE_UP.source.model_copy(update={"units": 12}),
        "counts": Counts(**BALANCED),
        "shards": [shard("train", 0, 8), shard("validation", 0, 2)],
    }
)


def test_the_table_has_a_line_for_every_fate_of_a_page_and_for_every_split():
    lines = table(Outcome(MANIFEST, 3, 50_000_000, 80, 20.0), 24.0, "data/shards").splitlines()
    assert [line.rsplit("  ", 1)[0].strip() for line in lines[:3]] == ["pages", "redirects", "articles"]
    words = [line.split() for line in lines]
    assert ["train", "4", "8", "rows", "of", "8,", "64", "tokens"] in words
    assert ["validation", "1", "2", "rows", "of", "8,", "16", "tokens"] in words
    assert ["dead", "letters", "1"] in words
    for reason, number in BALANCED["left_out"].items():
        assert ["left", "out:", reason, str(number)] in words
    assert ["units", "12", "3", "of", "them", "kept", "from", "an", "earlier", "run"] in words
    assert " ".join(words[-2]) == (
        "seconds 24.0 20.0 of them to make the shards, at 2.50 MB/s of source and 4 tokens/s"
    )
    assert words[-1] == ["output", "data/shards"]


def test_tags_of_unknown_extensions_have_a_line_only_where_there_are_some():
    counted = MANIFEST.model_copy(update={"counts": Counts(**BALANCED, unknown_tags=1234)})
    assert "unknown tags" not in table(Outcome(MANIFEST, 0, 0, 0, 0.0), 0.0, "x")
    assert ["unknown", "tags", "1,234"] in [
        line.split()[:3] for line in table(Outcome(counted, 0, 0, 0, 0.0), 0.0, "x").splitlines()
    ]


def test_a_run_that_found_all_done_tells_no_rates():
    lines = table(Outcome(MANIFEST, 12, 0, 0, 0.2), 4.0, "data/shards").splitlines()
    assert lines[-2].split() == ["seconds", "4.0"]


def test_the_numbers_end_in_one_column():
    lines = table(Outcome(MANIFEST, 0, 0, 0, 0.0), 0.0, "x").splitlines()[:-1]
    ends = {len(line[:40].rstrip()) for line in lines if not line[30:].strip()}
    assert len(ends) == 1
