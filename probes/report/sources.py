"""Gather what the page is made of: results, trainings, models and shards; all that is read is read here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probes.cloze import FillMaskResult
from probes.curves import CurvesResult
from probes.generation import GenerationResult
from probes.model import Anatomy, LoadedModel, load, load_tokenizer
from probes.model.anatomy import anatomy
from probes.model.pieces import show
from probes.recitation import RecitationResult
from probes.records import check_results, read_record
from probes.report.places import Found, Places, one_blank
from probes.report.records import Training, read_optional
from probes.report.story import Piece, Reading, Split
from probes.report.surprise import read_row
from probes.settings import ReportSettings
from probes.trace import TraceResult
from wikilm.errors import RunError
from wikilm.model_folder import TRAINING
from wikilm.shards import Manifest, ShardFolder, open_checked

TOKENS_READ = 48  # of a row: three lines on a page


@dataclass(frozen=True)
class Inputs:
    """Where everything is that the report shows."""

    shards: Path
    tokenizer: Path
    causal: Path
    masked: Path
    results: Path


@dataclass(frozen=True)
class Trained:
    """One model of the report: how it was trained and what it is made of."""

    kind: str
    training: Training
    anatomy: Anatomy


@dataclass(frozen=True)
class Sources:
    """All that the story is made of."""

    settings: ReportSettings
    manifest: Manifest
    pieces: tuple[Piece, ...]  # of the sample text
    trained: tuple[Trained, ...]  # causal, masked
    fill_mask: FillMaskResult
    generation: GenerationResult
    recitation: RecitationResult
    curves: CurvesResult | None
    trace: TraceResult | None
    searched: bool  # whether the corpus is small enough to be searched for texts
    blanks: tuple[Found | None, ...]  # where the texts with blanks stand; None: nowhere, or not one blank
    prompts: tuple[Found | None, ...]  # where the prompts stand, and what follows each there
    readings: tuple[Reading, ...]


def gather(inputs: Inputs, settings: ReportSettings) -> Sources:
    """Read everything, and follow the sample text through both models.

    Raises:
        RunError: a file is missing or not what it must be, a result is of other models or shards than these, or a model
            is of the other kind.
    """
    shards = open_checked(inputs.shards)
    results = inputs.results
    fill_mask = read_record(results / "fill_mask.json", FillMaskResult, "python -m probes fill-mask --output")
    generation = read_record(
        results / "generation.json", GenerationResult, "python -m probes generate --steps --output"
    )
    recitation = read_record(results / "recitation.json", RecitationResult, "python -m probes recite --output")
    tokenizer = load_tokenizer(inputs.tokenizer)
    ids = [int(i) for i in tokenizer(settings.sample, add_special_tokens=False)["input_ids"]]
    pieces = tuple(Piece(i, show(tokenizer, i)) for i in ids)
    places = Places(shards, tokenizer)
    prompts = tuple(places.following(one.prompt, len(one.continuation)) for one in generation.generations)
    texts = [one_blank(cloze.text) for cloze in (fill_mask.models[0].clozes if fill_mask.models else ())]
    causal, masked = _model(inputs.causal, "causal"), _model(inputs.masked, "masked")
    _refuse_mixture(inputs)
    return Sources(
        settings,
        shards.manifest,
        pieces,
        tuple(_trained(loaded, settings.sample) for loaded in (causal, masked)),
        fill_mask,
        generation,
        recitation,
        read_optional(results / "curves.json", CurvesResult, "python -m probes curves --output"),
        read_optional(results / "trace.json", TraceResult, "python -m probes trace --output"),
        places.searched,
        tuple(places.blank(*parts) if parts else None for parts in texts),
        prompts,
        tuple(_readings(shards, causal, places, prompts)),
    )


def _refuse_mixture(inputs: Inputs) -> None:
    """Refuse results of other models or shards than those that the page is about."""
    both, causal = (inputs.causal, inputs.masked), (inputs.causal,)
    made_from = {"fill_mask": both, "generation": causal, "recitation": causal, "curves": both, "trace": causal}
    paths = {inputs.results / f"{name}.json": models for name, models in made_from.items()}
    check_results({path: models for path, models in paths.items() if path.exists()}, inputs.shards)


def _readings(
    shards: ShardFolder, causal: LoadedModel, places: Places, prompts: Sequence[Found | None]
) -> Iterator[Reading]:
    """Read two rows: the training row in which a prompt stands, or else the first, and the first validation row."""
    trained = [place for place, _ in filter(None, prompts) if place.split == "train"]
    firsts: tuple[tuple[Split, int], ...] = (("train", trained[0].row if trained else 0), ("validation", 0))
    for split, row in firsts:
        rows = shards.rows(split)
        if len(rows):
            [ids] = rows.take(np.array([row]))
            yield read_row(causal, ids, TOKENS_READ, places.at(split, row, 0))


def _model(folder: Path, kind: str) -> LoadedModel:
    loaded = load(str(folder))
    if loaded.kind != kind:
        raise RunError(f"{folder}: a {loaded.kind} model, not a {kind} one: are --causal and --masked exchanged?")
    return loaded


def _trained(loaded: LoadedModel, text: str) -> Trained:
    training = read_record(loaded.folder / TRAINING, Training, f"python -m train --objective {loaded.kind}")
    if training.objective != loaded.kind:
        raise RunError(f"{loaded.folder / TRAINING}: of a {training.objective} model, not of a {loaded.kind} one")
    return Trained(loaded.kind, training, anatomy(loaded, text))
