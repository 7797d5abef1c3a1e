"""The model card is read by the hub's own library, names the license that the dataset card does, and trusts no name."""

import inspect
from typing import Any

import pytest
from huggingface_hub import DatasetCard, ModelCard, ModelCardData
from huggingface_hub.repocard_data import model_index_to_eval_results
from hypothesis import given
from hypothesis import strategies as st

from pipeline.output.card import card
from tests.helpers.manifests import manifest, mixture
from train.export.card import model_card
from wikilm.origin import text_license

FIGURES: dict[str, Any] = {
    "objective": "causal", "architecture": "gpt2", "parameters": 1234567, "chunk_tokens": 8, "vocab_size": 300,
    "steps": 50, "planned_steps": 50, "epochs": 5.0, "tokens": 400, "loss": 0.5, "mean_loss": 2.5,
    "validation_loss": 4.123456, "perplexity": 61.772389, "bits_per_byte": 1.512345, "lowest_validation_loss": 4.0,
    "lowest_validation_step": 25,
    "settings": {
        "layers": 2, "heads": 4, "width": 192, "optimizer": "muon", "learning_rate": 0.02, "schedule": "linear",
        "batch_size": 16,
    },
}  # fmt: skip


ARCHITECTURE = {"causal": "gpt2", "masked": "bert"}
HASHES = {"config.json": "c" * 64, "model.safetensors": "a" * 64}
COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"


def made(objective: str = "causal", mask: str = "<|mask|>", **changed: Any) -> str:
    figures = FIGURES | {"objective": objective, "architecture": ARCHITECTURE[objective]}
    return model_card(figures, manifest(**changed), mask)


def continued(name: str, commit: str | None) -> str:
    """The card of a model whose first weights were those of another one."""
    return model_card(FIGURES | {"init": {"from": name, "revision": commit, "sha256": HASHES}}, manifest(), "[MASK]")


def front(text: str) -> dict[str, Any]:
    return ModelCard(text).data.to_dict()


@pytest.mark.parametrize(("objective", "task"), [("causal", "text-generation"), ("masked", "fill-mask")])
def test_the_hub_reads_what_the_model_is_and_how_it_came_out(objective, task):
    text = made(objective)
    data = ModelCard(text).data
    assert front(text) | {"model-index": None, "tags": None} == {
        "language": ["lv"], "license": "cc-by-sa-4.0", "library_name": "transformers", "pipeline_tag": task,
        "datasets": ["lvwiki-2024-01-01"], "metrics": ["perplexity", "loss", "bits_per_byte"], "tags": None,
        "model-index": None,
    }  # fmt: skip
    assert f"{objective}-language-model" in data.tags
    assert [(one.metric_type, one.metric_value) for one in data.eval_results] == [
        ("perplexity", 61.77),
        ("loss", 4.123),
        ("bits_per_byte", 1.512),
    ]
    assert {(one.task_type, one.dataset_type, one.dataset_split) for one in data.eval_results} == {
        (task, "lvwiki-2024-01-01", "validation")
    }
    assert "| validation loss | 4.1235 at the end |" in text
    assert "| bits per byte | 1.5123 |" in text


@pytest.mark.parametrize(
    ("objective", "why"), [("causal", "no byte-level BPE"), ("masked", "no probability of a text")]
)
def test_without_bits_per_byte_it_says_why(objective, why):
    text = model_card(FIGURES | {"objective": objective, "bits_per_byte": None}, manifest(), "<|mask|>")
    (row,) = [line for line in text.splitlines() if line.startswith("| bits per byte | none: ")]
    assert why in row
    assert front(text)["metrics"] == ["perplexity", "loss"]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"name": "lvwiki-20230520-pages-articles.xml"},
        {"name": "miniwiki-pages-articles-multistream.xml.bz2", "database": "miniwiki", "base": ""},
        {"base": ""},
    ],
)
def test_its_license_is_that_of_the_dataset_card_in_the_same_words(changed):
    shards = manifest(**changed)
    dataset, model = card(shards), made(**changed)
    assert front(model)["license"] == DatasetCard(dataset).data.to_dict()["license"][0]
    notice = text_license(shards.source.name, shards.site.database, shards.site.base).notice
    assert notice in dataset
    assert notice in model


def test_of_several_wikis_it_says_how_much_of_the_text_is_of_each():
    shards = mixture({"database": "lvwiki"}, {"database": "ltgwiki", "language": "ltg", "rows": 15})
    text = model_card(FIGURES | {"objective": "causal"}, shards, "[MASK]")
    assert "| wikis | lvwiki 25.0 %, ltgwiki 75.0 % of the tokens |" in text
    assert front(text)["language"] == ["lv", "ltg"]
    assert front(text)["datasets"] == ["lvwiki-ltgwiki"]


def test_a_parquet_folder_of_the_hub_has_a_dataset_without_a_database():
    assert front(made(name="20231101.lv", database=""))["datasets"] == ["20231101.lv"]


def test_weights_of_a_model_of_the_hub_make_it_the_base_model():
    text = continued("openai-community/gpt2", COMMIT)
    metadata = front(text)
    assert (metadata["base_model"], metadata["base_model_relation"]) == ("openai-community/gpt2", "finetune")
    assert "no other weights" not in text
    assert "GPT-2 trained further on" in text
    assert f"| first weights | `openai-community/gpt2` at `{COMMIT}`, sha256 `config.json` `{'c' * 64}`" in text


@given(st.text(min_size=1, max_size=60))
def test_a_folder_is_no_base_model_and_its_name_no_markup(name):
    plain, text = continued("models/causal", None), continued(name, None)
    assert front(text) == front(plain)
    assert "base_model" not in front(text)
    for sign in ("\n---\n", "\n```", "\n#", "\n| "):
        assert text.count(sign) == plain.count(sign)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_the_metadata_have_the_fields_that_the_hub_s_library_knows_and_survive_it(objective):
    """`huggingface_hub` drops or refuses what it does not know when it reads metadata and writes them again."""
    card = ModelCard(made(objective))
    known = set(inspect.signature(ModelCardData.__init__).parameters)
    assert set(card.data.to_dict()) - known == {"model-index"}
    assert ModelCard(str(card)).data.to_dict() == card.data.to_dict()
    assert model_index_to_eval_results(card.data.to_dict()["model-index"])[1] == card.data.eval_results


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(max_size=20) | st.none(),
    st.text(max_size=300),
    st.text(max_size=20),
)
def test_no_name_breaks_the_metadata_or_becomes_markup(name, wiki, language, database, mask):
    plain, text = made("masked"), made("masked", mask, name=name, wiki=wiki, language=language, database=database)
    found = front(text)
    assert set(found) - {"language", "language_bcp47"} == set(front(plain)) - {"language"}
    assert found["license"] == "cc-by-sa-4.0"
    assert len(found["datasets"][0]) <= 96
    assert text.encode()
    for sign in ("\n---\n", "\n```", "\n#", "\n| "):
        assert text.count(sign) == plain.count(sign)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "a | b", "[x](javascript:y)", "`rm`", "a\n---\n# b"])
def test_hostile_names_are_shown_as_they_are(hostile):
    body = made(name=hostile, wiki=hostile).split("\n---\n", 1)[1]
    (row,) = [line for line in body.splitlines() if line.startswith("| source |")]
    assert row.replace("\\|", "").count("|") == 3
    (heading,) = [line for line in body.splitlines() if line.startswith("# ")]
    assert "<script" not in heading.replace("\\<", "")
    assert "](" not in heading.replace("\\]", "")
