"""Tell the story: from results, trainings and shards to what stands on the page; nothing is read or computed here."""

import math
from collections.abc import Iterable, Iterator, Sequence

from probes.cloze.answer import Cloze
from probes.generation import Generation
from probes.measuring import Share
from probes.model import Anatomy
from probes.model.pieces import common_start
from probes.recitation.attempts import START
from probes.report import story as told
from probes.report.places import Found, one_blank
from probes.report.sources import Sources, Trained
from probes.trace import Trace
from wikilm.shards import ARTICLE_REASONS, Manifest

ENDED = {
    "end of text": "the model itself ended the text",
    "length": "it was stopped here, after as many tokens as were asked for",
}


def tell(sources: Sources) -> told.Story:
    """Return the whole story."""
    return told.Story(
        title=sources.settings.title,
        corpus=corpus(sources.manifest),
        tokens=told.Tokens(
            sources.manifest.tokenizer.vocab_size,
            sources.manifest.tokenizer.sha256,
            sources.settings.sample,
            sources.pieces,
        ),
        learning=tuple(learning(sources, trained) for trained in sources.trained),
        blanks=tuple(blanks(sources)),
        hidden_fraction=sources.fill_mask.masked_fraction,
        hidden=tuple(hidden(sources)),
        written=tuple(
            written(one, found, sources)
            for one, found in zip(sources.generation.generations, sources.prompts, strict=True)
        ),
        recital=recital(sources),
        readings=sources.readings,
        shortest_run=sources.trace.min_tokens if sources.trace else None,
        made=tuple(made(trained.anatomy) for trained in sources.trained),
    )


def corpus(manifest: Manifest) -> told.Corpus:
    """Return the parts of the corpus, most first; the namespaces, of which a dump has dozens, as one part."""
    counts = manifest.counts
    reasons = {reason.replace("_", " "): n for reason, n in counts.left_out.items() if reason in ARTICLE_REASONS}
    others = {reason: n for reason, n in counts.left_out.items() if reason not in ARTICLE_REASONS}
    spaces = {reason: n for reason, n in others.items() if reason.startswith("namespace:")}
    pages = {reason.replace("_", " "): n for reason, n in others.items() if reason not in spaces}
    if spaces:
        pages[f"pages that are no articles (of {len(spaces)} other namespaces)"] = sum(spaces.values())
    articles = [("for training", counts.train_articles), ("for validation", counts.validation_articles)]
    articles += [(f"left out: {reason}", n) for reason, n in reasons.items()]
    articles += [("could not be read", counts.dead_letters)] if counts.dead_letters else []
    return told.Corpus(
        source=manifest.source.name,
        checksum=manifest.source.checksum,
        pages=counts.pages,
        articles=counts.articles,
        article_parts=tuple(told.Part(*part) for part in articles),
        page_parts=(
            told.Part("articles", counts.articles),
            told.Part("redirects", counts.redirects),
            *(told.Part(*part) for part in sorted(pages.items(), key=lambda part: (-part[1], part[0]))),
        ),
        text_bytes=counts.text_bytes,
        tokens=counts.tokens,
        row_tokens=manifest.chunk_tokens,
        rows=(told.Part("train", counts.train_chunks), told.Part("validation", counts.validation_chunks)),
        tail_tokens=counts.tail_tokens,
        seed=manifest.split.seed,
        chunking=manifest.chunking,
    )


def learning(sources: Sources, trained: Trained) -> told.Learning:
    """Return how a model learned."""
    training = trained.training
    return told.Learning(
        model=trained.kind,
        steps=training.steps,
        epochs=training.epochs,
        train=tuple(told.At(*point) for point in training.curve("loss")),
        validation=tuple(told.At(*point) for point in training.curve("validation_loss")),
        blind=math.log(sources.manifest.tokenizer.vocab_size),
        by_frequency=counted.blind_loss.unigram_validation if (counted := sources.fill_mask.counted) else None,
        last_train=training.loss,
        last_validation=training.validation_loss,
        lowest=told.At(training.lowest_validation_step, training.lowest_validation_loss),
        moments=tuple(_checkpoints(sources, trained.kind)) or tuple(_samples(trained)),
    )


def _checkpoints(sources: Sources, kind: str) -> Iterator[told.Moment]:
    """Yield what the checkpoints of a model answered, where they were asked."""
    curves = sources.curves
    for point in [point for one in (curves.models if curves else ()) if one.kind == kind for point in one.points]:
        splits = {answers.split: answers for answers in point.splits}
        train, validation = splits.get("train"), splits.get("validation")
        shares = [
            measured(what, kind, split, share)
            for what in (("recited",) if kind == "causal" else ("top5",))
            for split, answers in splits.items()
            if (share := getattr(answers, what)) is not None
        ]
        choices = tuple(told.Choice(c.id, c.token, c.probability) for c in point.choices)
        causal = point.continuation is not None and curves is not None
        yield told.Moment(
            point.step,
            point.is_best,
            point.is_last,
            train.loss if train else None,
            validation.loss if validation else None,
            tuple(shares),
            curves.prompt if causal and curves else curves.cloze if curves else "",
            point.continuation or "",
            () if causal else choices,
        )


def _samples(trained: Trained) -> Iterator[told.Moment]:
    """Yield what a model wrote in training, where no checkpoints were asked."""
    losses: dict[str, float | None] = {"loss": None, "validation_loss": None}
    for point in trained.training.history:
        losses |= {name: value for name in losses if (value := getattr(point, name)) is not None}
        if point.sample is not None:
            last = point.step == trained.training.steps
            yield told.Moment(
                point.step, False, last, losses["loss"], losses["validation_loss"], (), "", point.sample, ()
            )


def blanks(sources: Sources) -> Iterator[told.Blank]:
    """Yield the texts with one blank, each as all models fill it; a text with several has no place on the page."""
    models = sources.fill_mask.models
    for number, cloze in enumerate(models[0].clozes if models else ()):
        parts = one_blank(cloze.text)
        if parts is None:
            continue
        place, answer = sources.blanks[number] or (None, None)
        clozes = [(one.kind, one.clozes[number]) for one in models if number < len(one.clozes)]
        guesses = [guess for kind, cloze in clozes for guess in _guesses(kind, cloze, answer)]
        yield told.Blank(*parts, sources.searched, place, answer, tuple(guesses))


def _guesses(kind: str, cloze: Cloze, answer: str | None) -> Iterator[told.Guess]:
    right = answer.strip() if answer is not None else None
    for blank in cloze.blanks[:1]:
        for reading in blank.readings:
            choices = (told.Choice(c.id, c.token, c.probability, c.word.strip() == right) for c in reading.choices)
            yield told.Guess(kind, reading.name, tuple(choices))


def hidden(sources: Sources) -> Iterator[told.Measured]:
    """Yield the shares of hidden tokens that were guessed."""
    for model in sources.fill_mask.models:
        for accuracy in model.accuracies:
            for what in ("top1", "top5"):
                baselines = [told.Baseline(one.name, getattr(one, what).value) for one in accuracy.baselines]
                yield measured(what, model.kind, accuracy.split, getattr(accuracy, what), baselines)


def measured(what: str, model: str, split: str, share: Share, baselines: Sequence[told.Baseline] = ()) -> told.Measured:
    """Return a share with what it is of."""
    of: told.Split = "train" if split == "train" else "validation"
    return told.Measured(what, model, of, share.value, share.low, share.high, share.trials, tuple(baselines))


def written(generation: Generation, found: Found | None, sources: Sources) -> told.Written:
    """Return what was written after a prompt, how far the corpus goes on alike, and which runs stand there."""
    text = generation.prompt + generation.continuation
    texts = [one for one in sources.trace.texts if one.kind == "generation"] if sources.trace else []
    traces = [one.trace for one in texts if one.trace.text == text]
    steps = [
        told.Chosen(
            step.step,
            told.Choice(step.chosen.id, step.chosen.token, step.chosen.probability),
            tuple(told.Choice(c.id, c.token, c.probability) for c in step.candidates if c.id != step.chosen.id),
        )
        for step in generation.steps
    ]
    return told.Written(
        generation.prompt,
        generation.continuation,
        ENDED.get(generation.ended_by, generation.ended_by),
        sources.searched,
        found[0] if found else None,
        common_start(generation.continuation, found[1]) if found else None,
        tuple(steps),
        bool(traces),
        tuple(_runs(traces)),
    )


def _runs(traces: Iterable[Trace]) -> Iterator[told.Found]:
    """Yield the runs of traced texts that stand in training rows and that the model wrote something of."""
    for trace in traces:
        for run in trace.runs:
            articles = [article for place in run.places if place.split == "train" for article in place.articles]
            if articles and run.tokens[1] > trace.given:
                length = run.tokens[1] - run.tokens[0]
                yield told.Found(run.text, length, run.train, articles[0].title, articles[0].url)


def recital(sources: Sources) -> told.Recital:
    """Return how much is recited."""
    result = sources.recitation
    shares = []
    for one in result.splits:
        counts = [by for by in result.baselines if by.split == one.split]
        for what, share, key in (("recited", one.tokens, "tokens"), ("whole", one.whole, "whole")):
            baselines = [told.Baseline(by.name, getattr(by, key).value) for by in counts]
            shares.append(measured(what, "causal", one.split, share, baselines))
    curve = [
        told.ByPrefix(one.prefix, measured("recited", "causal", one.split, one.tokens)) for one in result.by_prefix
    ]
    examples = [
        told.Example(
            "train" if one.split == "train" else "validation",
            one.prefix,
            tuple(told.Stretch(span.text, span.equal) for span in one.truth),
            tuple(told.Stretch(span.text, span.equal) for span in one.model),
            one.equal_tokens,
            one.articles[0].title if one.articles else None,
            one.articles[0].url if one.articles else None,
        )
        for one in result.examples
        if one.place == START
    ]
    anywhere = [one.tokens.value for one in result.anywhere if (one.split, one.prefix) == ("train", result.prefix)]
    return told.Recital(
        result.prefix, result.continuation, tuple(shares), tuple(curve), next(iter(anywhere), None), tuple(examples)
    )


def made(anatomy: Anatomy) -> told.Made:
    """Return what a model is made of."""
    return told.Made(
        anatomy.kind,
        anatomy.architecture,
        anatomy.parameters,
        anatomy.layers,
        anatomy.heads,
        anatomy.width,
        anatomy.positions,
        anatomy.tied,
        tuple(told.Part(part.part, part.parameters) for part in anatomy.parts),
        tuple(told.Shape(step.step, step.shape, step.meaning) for step in anatomy.steps),
    )
