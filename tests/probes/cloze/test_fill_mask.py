"""The question `fill-mask` asks models of both kinds, and answers with flat figures, too."""

from probes.cloze.cloze import MASK
from probes.cloze.fill_mask import run_fill_mask
from probes.settings import FillMaskSettings

TEXT = f"The river carries {MASK} down to the sea."


def test_one_result_holds_all_models_and_flat_figures(tiny):
    names = [str(tiny / "masked"), str(tiny / "causal"), str(tiny / "causal")]
    result = run_fill_mask(names, tiny / "shards", FillMaskSettings(texts=(TEXT,), rows=4))
    assert [model.kind for model in result.models] == ["masked", "causal", "causal"]
    assert set(result.metrics) == {
        f"{label}_{split}_{top}"
        for label in ("masked", "causal", "causal#2")
        for split in ("train", "validation")
        for top in ("top1", "top5")
    }
    assert all(0 <= value <= 1 for value in result.metrics.values())
    assert [accuracy.rows for accuracy in result.models[0].accuracies] == [4, 4]
