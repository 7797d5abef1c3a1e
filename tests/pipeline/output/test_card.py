"""The dataset card is read by `datasets` and by the hub's library, says where the text is from, and trusts no name."""

import datasets
import pytest
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.output.card import card, size_category
from tests.helpers.manifests import manifest, mixture
from tests.helpers.shards import make_rows, make_shards
from wikilm.shards.format import CARD, SPLITS


@pytest.mark.parametrize("rows", [(24, 6), (24, 0), (0, 6)])
def test_datasets_loads_the_splits_that_have_rows_by_the_card(tiny_tokenizer, tmp_path, rows):
    made = [make_rows(tiny_tokenizer, count, seed=count) for count in rows]
    folder = tmp_path / "shards"
    written = make_shards(folder, tiny_tokenizer, *made)
    (folder / CARD).write_text(card(written))
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    splits = zip(SPLITS, made, strict=True)
    assert {split: loaded[split]["input_ids"][:] for split in loaded} == {
        split: some.tolist() for split, some in splits if len(some)
    }


def test_a_folder_without_rows_has_a_card_too():
    assert "configs" not in DatasetCard(card(manifest(rows=0))).data.to_dict()


def test_it_says_what_was_read_under_which_license_and_how_to_make_it_again():
    text = card(manifest(take=[50, 20]))
    front = DatasetCard(text).data.to_dict()
    assert front["language"] == ["lv"]
    assert front["license"] == ["cc-by-sa-4.0", "gfdl"]
    assert front["size_categories"] == ["n<1K"]
    assert front["task_categories"] == ["text-generation", "fill-mask"]
    assert front["pretty_name"] == "Vikipēdija (lv, 2024-01-01), rows of 8 tokens"
    for said in (
        "CC BY-SA 4.0", "GFDL", "| date of the dump | 2024-01-01 |", "| pages | 1,234 |",
        "| left out: namespace:1 | 204 |", "| bytes | 1,234,567 |", "sha256:abc", "wikilm 0.1.0",
        "--unit-bytes 1000", "--max-page-seconds 2.5",
        "--take 50,20", "--seed 3", "load_dataset", "load_from_disk", "pipeline.locate", "1" * 64,
    ):  # fmt: skip
        assert said in text


@pytest.mark.parametrize(
    ("changed", "licenses"),
    [
        ({"name": "lvwiki-20230520-pages-articles.xml"}, ["cc-by-sa-3.0", "gfdl"]),
        ({"name": "20231101.lv"}, ["cc-by-sa-4.0", "gfdl"]),
        ({"name": "miniwiki-pages-articles-multistream.xml.bz2", "database": "miniwiki", "base": ""}, ["apache-2.0"]),
        ({"base": ""}, ["unknown"]),
        ({"base": "https://wikipedia.org.example.net/wiki/A"}, ["unknown"]),
    ],
)
def test_the_license_is_that_of_the_source_or_unknown(changed, licenses):
    assert DatasetCard(card(manifest(**changed))).data.to_dict()["license"] == licenses


def test_of_several_wikis_it_has_a_line_a_column_and_a_license_for_each_and_how_to_mix_them_again():
    text = card(mixture({"database": "lvwiki"}, {"name": "own.xml", "database": "own", "language": None, "base": ""}))
    front = DatasetCard(text).data.to_dict()
    assert front["language"] == ["lv"]
    assert front["license"] == ["unknown", "cc-by-sa-4.0", "gfdl"]
    for said in (
        "| lvwiki | lv | 0.5 | 1,000 | 5 | 40 | lvwiki-20240101-pages-articles.xml.bz2, 1,234,567 bytes, sha256:abc |",
        "| fate | all | lvwiki | own |", "| pages | 2,468 | 1,234 | 1,234 |", "own: The license of the text is not",
        "--source lvwiki-20240101-pages-articles.xml.bz2 --share 0.5", "--source own.xml --share 0.5", "its `wiki`",
    ):  # fmt: skip
        assert said in text


def test_it_is_the_same_text_for_the_same_manifest_whether_that_lists_the_card_or_not():
    first = manifest()
    listed = first.model_copy(update={"files": [first.shards[0]]})
    assert card(first) == card(manifest()) == card(listed)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=20) | st.none(), st.text(max_size=20))
def test_no_name_breaks_the_front_matter_or_becomes_markup(name, wiki, language, reason):
    plain = card(manifest())
    text = card(manifest(name=name, wiki=wiki, language=language, reason=reason))
    front = DatasetCard(text).data.to_dict()
    known = {"language", "language_bcp47", "license", "pretty_name", "size_categories", "task_categories", "configs"}
    assert set(front) <= known
    assert "rows of 8 tokens" in front["pretty_name"]
    assert front["configs"] == DatasetCard(plain).data.to_dict()["configs"]
    assert text.count("\n---\n") == plain.count("\n---\n")
    assert text.count("\n```") == plain.count("\n```")
    assert text.count("\n#") == plain.count("\n#")
    several = card(mixture({"name": name, "database": wiki, "language": language}, {"reason": reason}))
    assert set(DatasetCard(several).data.to_dict()) <= known
    for mark in ("\n---\n", "\n```", "\n#"):
        assert several.count(mark) == plain.count(mark)


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "a | b", "[x](javascript:y)", "`rm`", "![](http://x)", "a\n---\n# b", '"\\'],
)
def test_hostile_names_are_shown_as_they_are(hostile):
    text = card(manifest(name=hostile, wiki=hostile))
    body = text.split("\n---\n", 1)[1]
    (row,) = [line for line in body.splitlines() if line.startswith("| name |")]
    assert row.replace("\\|", "").count("|") == 3
    assert "<script" not in body.replace("\\<", "").split("```")[0]
    assert "](" not in body.split("```")[0]


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (123_456, "100K<n<1M"),
        (10**11, "100B<n<1T"),
        (10**12, "n>1T"),
        (10**15, "n>1T"),
    ],
)
def test_size_categories_are_those_of_the_hub(rows, category):
    assert size_category(rows) == category
