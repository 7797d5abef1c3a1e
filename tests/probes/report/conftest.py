"""A report of tiny models, with hostile text wherever text comes from outside."""

import json
import shutil
from dataclasses import replace

import pytest

from probes.cloze.fill_mask import run_fill_mask
from probes.curves import CurvesResult, ModelCurve
from probes.curves.curves import Point, SplitAnswers
from probes.generation import run_generation
from probes.measuring.interval import Share
from probes.measuring.rows import sample_rows
from probes.model.loading import load
from probes.output import json_text, with_origin
from probes.recitation.recite import recite
from probes.records import made_from as origin
from probes.report.page import Inputs, write_report
from probes.settings import FillMaskSettings, GenerationSettings, RecitationSettings, ReportSettings
from probes.trace import Place, Run, Trace, TracedText, TraceResult
from tests.helpers.trainings import HOSTILE, training
from wikilm.shards import Article
from wikilm.shards.format import MANIFEST
from wikilm.shards.manifest import manifest_bytes
from wikilm.shards.reading import read_manifest

MODELS = {"fill_mask": ("causal", "masked"), "curves": ("causal", "masked")}
MODELS |= dict.fromkeys(("generation", "recitation", "trace"), ("causal",))


def curves():
    """Checkpoints of a causal model alone: the page tells the samples of the other's training."""
    share = Share(0.5, 0.25, 0.75, 8)
    splits = tuple(SplitAnswers(split, 4, 3.0, share, share, share, share) for split in ("train", "validation"))
    point = Point(HOSTILE, 50, True, False, splits, HOSTILE, (), HOSTILE)
    points = (point, replace(point, step=100, is_best=False, is_last=True))
    return CurvesResult({}, HOSTILE, HOSTILE, 8, 8, (ModelCurve(HOSTILE, "causal", points),))


def trace(generation):
    """A trace of the text that was written, with a run of hostile names."""
    [one] = generation.generations
    text, tokens = one.prompt + one.continuation, len(one.prompt_ids) + len(one.ids)
    places = tuple(
        Place("train", 0, (0, 4), (Article(1, HOSTILE, address, None),)) for address in ("javascript:alert(1)",)
    )
    run = Run((0, tokens), (0, len(text)), text, 1, 0, places)
    traced = TracedText("generation", Trace(text, tokens, 2, 2, (run,), (), 2, ()))
    return TraceResult({}, "causal", 6, (), (), (traced,))


@pytest.fixture(scope="session")
def made(tiny, tmp_path_factory):
    """All that a report needs."""
    root = shutil.copytree(tiny, tmp_path_factory.mktemp("report"), dirs_exist_ok=True)
    for kind in ("causal", "masked"):
        (root / kind / "training.json").write_text(json.dumps(training(kind)))
    manifest = read_manifest(root / "shards")
    source = manifest.source.model_copy(update={"name": HOSTILE, "checksum": HOSTILE})
    left_out = {HOSTILE: 3, "namespace:1": 2, "namespace:10": 5, "not_taken": 4}
    counts = manifest.counts.model_copy(update={"left_out": left_out})
    changed = manifest.model_copy(update={"source": source, "counts": counts})
    (root / "shards" / MANIFEST).write_bytes(manifest_bytes(changed))
    causal = load(str(root / "causal"))
    names = [str(root / "masked"), str(root / "causal")]
    fill_mask = FillMaskSettings(texts=(f"A [MASK] {HOSTILE[:24]}",), rows=4)
    recitation = RecitationSettings(prefix=8, continuation=8, prefix_lengths=(1, 4, 8), examples=2)
    generation = GenerationSettings(prompts=(HOSTILE[:24],), max_new_tokens=4, shown=3)
    results = {
        "fill_mask": run_fill_mask(names, root / "shards", fill_mask)[0],
        "generation": run_generation(causal, generation, steps=True),
        "recitation": recite(causal, sample_rows(root / "shards", causal, None, 0), recitation),
        "curves": curves(),
    }
    results["trace"] = trace(results["generation"])
    (root / "results").mkdir()
    for name, result in results.items():
        made_from = origin([str(root / model) for model in MODELS[name]], root / "shards", {})
        (root / "results" / f"{name}.json").write_text(json_text(with_origin(result, made_from)))
    return root


@pytest.fixture(scope="session")
def inputs(made):
    return Inputs(made / "shards", made / "tokenizer", made / "causal", made / "masked", made / "results")


@pytest.fixture(scope="session")
def report(made, inputs):
    """The page, its metrics, and what the command prints."""
    figures, told = write_report(inputs, made / "report", ReportSettings(title=f"About {HOSTILE}", sample=HOSTILE[:40]))
    return (made / "report" / "index.html").read_text(encoding="utf-8"), figures, told
