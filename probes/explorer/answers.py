"""Answer what the page asks, by the functions that the command line answers by, and so with the same figures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from probes.cloze import HOW
from probes.cloze.answer import Cloze
from probes.cloze.cloze import fill
from probes.explorer.library import Library
from probes.explorer.questions import MAX_CHARACTERS, MAX_SHOWN, MAX_TOKENS, Continue, Fill, Question, Row, Trace
from probes.generation import Generation, continue_prompts
from probes.measuring.rows import same_vocabulary
from probes.settings import BLANKS
from probes.trace import Trace as Traced
from probes.trace import from_ids, from_text, trace
from wikilm.errors import UsageError
from wikilm.shards import Origin


@dataclass(frozen=True)
class ModelCard:
    """What the page says of a model."""

    name: str
    kind: str
    architecture: str
    parameters: int
    vocabulary: int
    positions: int | None


@dataclass(frozen=True)
class About:
    """What there is to ask, and within which bounds."""

    models: tuple[ModelCard, ...]
    rows: dict[str, int] | None  # by split; None without shards
    index: bool  # whether texts can be traced
    min_tokens: int  # of a run that is traced
    masks: tuple[str, ...]  # how a text names its blank; the first is the usual one
    texts: tuple[str, ...]  # examples with a blank
    prompts: tuple[str, ...]
    how: dict[str, str]  # what each reading of a text with a blank is
    top_k: int  # choices shown
    max_new_tokens: int
    max_characters: int
    max_tokens: int


@dataclass(frozen=True)
class RowAnswer:
    """A row, and whose it is."""

    split: str
    row: int
    rows: int  # of the split
    shard: str
    row_of_shard: int
    ids: tuple[int, ...]
    tokens: tuple[str, ...]  # what each adds to the text of the row
    articles: tuple[Origin, ...]


def about(library: Library) -> About:
    """Say what there is to ask."""
    cards = tuple(
        ModelCard(
            one.name,
            one.kind,
            type(one.model).__name__,
            sum(p.numel() for p in one.model.parameters()),
            one.vocab_size,
            one.positions,
        )
        for one in library.models
    )
    return About(
        models=cards,
        rows={split: len(rows) for split, rows in library.shelf.rows.items()} if library.shelf else None,
        index=library.shelf is not None and library.shelf.index is not None,
        min_tokens=library.trace.min_tokens,
        masks=tuple(
            dict.fromkeys([*BLANKS, *(one.tokenizer.mask_token for one in library.models if one.kind == "masked")])
        ),
        texts=library.fill_mask.texts,
        prompts=library.generation.prompts,
        how=HOW,
        top_k=min(library.fill_mask.top_k, MAX_SHOWN),
        max_new_tokens=min(library.generation.max_new_tokens, MAX_TOKENS),
        max_characters=MAX_CHARACTERS,
        max_tokens=MAX_TOKENS,
    )


def fill_blanks(library: Library, question: Fill) -> Cloze:
    """Fill the blanks of a text, as `python -m probes fill-mask` does.

    Raises:
        UsageError: no blank, or too long a text.
    """
    settings = library.fill_mask
    return fill(library.model(question.model), question.text, question.top_k, settings.candidates, settings.words)


def continue_prompt(library: Library, question: Continue) -> Generation:
    """Continue a prompt, first by the tokens that the reader has chosen, as `python -m probes generate --steps` does.

    Raises:
        UsageError: the model is no causal one or has no such tokens, more were chosen than asked for, or the text is
            too long.
    """
    loaded, chosen, limit = library.model(question.model), question.chosen, question.max_new_tokens
    wrong = next((i for i in chosen if i >= loaded.vocab_size), None)
    if wrong is not None:
        raise UsageError(f"chosen: {loaded.name} has {loaded.vocab_size} tokens, counted from 0; there is no {wrong}")
    if len(chosen) > limit:
        raise UsageError(f"chosen: {len(chosen)} tokens, but max_new_tokens is {limit}; raise it")
    return continue_prompts(loaded, [question.prompt], limit, shown=question.top_k, chosen=chosen)[0]


def trace_text(library: Library, question: Trace) -> Traced:
    """Trace a text, or a prompt with what a model added to it, as `python -m probes trace` does.

    Raises:
        UsageError: no index was named, or an id is none of the model's.
        RunError: the index is damaged, or the model has another vocabulary.
    """
    loaded = library.model(question.model)
    if library.shelf is None or library.shelf.index is None:
        raise UsageError("no index: start python -m probes explore with --shards DIR --index DIR")
    same_vocabulary(library.shelf.folder, loaded)
    if question.ids:
        text = from_ids(loaded.tokenizer, question.text, question.ids)
    else:
        text = from_text(loaded.tokenizer, question.text)
    return trace(library.shelf.index, text, library.trace)


def show_row(library: Library, question: Row) -> RowAnswer:
    """Spell a row, and find its articles, as `python -m pipeline.locate` does.

    Raises:
        UsageError: no shards were named, or the split has no such row.
        RunError: the shards are damaged, or the model has another vocabulary.
    """
    loaded = library.model(question.model)
    if library.shelf is None:
        raise UsageError("no shards: start python -m probes explore with --shards DIR")
    folder, rows = library.shelf.folder, library.shelf.rows[question.split]
    same_vocabulary(folder, loaded)
    if question.row >= len(rows):
        there = f"rows 0 to {len(rows) - 1}" if len(rows) else "no rows"
        raise UsageError(f"row {question.row}: the {question.split} split has {there}")
    shard, inside, articles = library.shelf.origins.locate(question.split, question.row)
    ids = rows.take(np.array([question.row])).tolist()[0]
    return RowAnswer(
        split=question.split,
        row=question.row,
        rows=len(rows),
        shard=shard.path,
        row_of_shard=inside,
        ids=tuple(ids),
        tokens=loaded.texts_after([], ids),
        articles=tuple(articles),
    )


# By the name of the question: what is asked, and what answers it.
ANSWERS: dict[str, tuple[type[Question], Callable[[Library, Any], object]]] = {
    "fill": (Fill, fill_blanks),
    "continue": (Continue, continue_prompt),
    "trace": (Trace, trace_text),
    "row": (Row, show_row),
}
