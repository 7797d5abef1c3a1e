"""The question `fill-mask` asks models of both kinds, and answers with flat figures, too."""

from probes.cloze.cloze import MASK
from probes.cloze.fill_mask import run_fill_mask
from probes.settings import FillMaskSettings

TEXT = f"The river carries {MASK} down to the sea."


def test_one_result_holds_all_models_and_flat_figures(tiny):
    names = [str(tiny / "masked"), str(tiny / "causal"), str(tiny / "causal")]
    result, _ = run_fill_mask(names, tiny / "shards", FillMaskSettings(texts=(TEXT,), rows=4))
    assert [model.kind for model in result.models] == ["masked", "causal", "causal"]
    left, both = ("", "most_common_", "bigram_"), ("", "most_common_", "bigram_", "neighbours_")
    assert set(result.metrics) == {
        f"{label}_{split}_{guesser}{top}"
        for label, guessers in (("masked", both), ("causal", left), ("causal#2", left))
        for split in ("train", "validation")
        for guesser in guessers
        for top in ("top1", "top5")
    }
    assert all(0 <= value <= 1 for value in result.metrics.values())
    assert [accuracy.rows for accuracy in result.models[0].accuracies] == [4, 4]
    assert result.counted is not None
    assert (result.counted.rows, result.counted.tokens) == (24, 24 * 32), "baselines know all training rows"
    assert 0 < result.counted.blind_loss.unigram_train < result.counted.blind_loss.uniform
