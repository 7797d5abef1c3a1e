"""Train a byte-level BPE on the training articles, or take over a tokenizer; write a folder that `AutoTokenizer` loads.

Examples:
  python -m pipeline.tokenizer                          all as params.yaml says, into data/tokenizer
  python -m pipeline.tokenizer --source enwiki-20160501-pages-articles-multistream.xml.bz2 --vocab-size 32000
  python -m pipeline.tokenizer --direct_running_mode multi_processing --direct_num_workers 8
  python -m pipeline.tokenizer --sample 100000          from that many articles of a large source
  python -m pipeline.tokenizer --pretrained gpt2        one of the hub, or a folder

The same source and params give the same bytes on every runner, with any number of workers: they count words, and the
merges are learned from the counts. A page that occurs more than once counts once, as it does in the shards. Of more
than some 4 million different words the rarest are left out, and one line says so. Options that are not listed here go
to Beam, as those of `python -m pipeline` do. The last line on stdout is one JSON object that says what was made.
"""

import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers

from pipeline.flags import add_source, add_split, parse_with_beam, source_settings, split_settings
from pipeline.run.quiet import quiet
from pipeline.settings import SourceSettings, SplitSettings, TokenizerSettings
from wikilm.cli import Parser, program, run
from wikilm.errors import RunError, UsageError
from wikilm.files import new_folder, refuse_mount
from wikilm.params import from_flags, section
from wikilm.stopped import stopped_by_signals

if TYPE_CHECKING:
    import pyarrow as pa
    from apache_beam.options.pipeline_options import PipelineOptions

    from pipeline.tokens import Encoder
    from pipeline.unit import Counted

# transformers, pyarrow and numpy are imported by the functions that use them: --help need not wait for them.
os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that PyTorch is missing, which nothing here needs
PROGRAM = "python -m pipeline.tokenizer"
END_OF_TEXT = "<|endoftext|>"
# lstrip: it takes the space before it, as a word's token does: "a <|mask|> of" has as many tokens as "a box of".
MASK = AddedToken("<|mask|>", lstrip=True, normalized=False, special=True)
MIN_FREQUENCY = 2  # a pair that occurs once is no pattern
NO_LIMIT = int(1e30)  # what `transformers` writes for "no limit": whole articles are encoded, and then cut
PROVENANCE = "provenance.json"  # how it was made; also marks the folder as one that may be made again


def train(texts: Iterable[str], vocab_size: int) -> Any:
    """Train a byte-level BPE in this process (see `train_on_words`)."""
    import pyarrow as pa

    from pipeline.tokens.words import count_words, merge

    return train_on_words(merge(count_words([pa.array(texts, pa.string())])), vocab_size)


def train_on_words(words: "pa.Table", vocab_size: int) -> Any:
    """Train a byte-level BPE with GPT-2's pre-tokenisation.

    The same bytes for the same words, however they were counted: merges are ranked by count, ties by the ids of the
    pair.

    Args:
        words: of the training articles, with their counts (see `pipeline.tokens.words`).
        vocab_size: entries, with the 256 bytes and the two special tokens; fewer where the words give no more pairs.

    Returns:
        A `transformers` tokenizer.

    Raises:
        RunError: there are no words.
    """
    from transformers import PreTrainedTokenizerFast

    from pipeline.tokens.bpe import learn

    if not len(words):
        raise RunError(
            "the source has no training articles to make a tokenizer of; name another --source or a lower "
            "--validation-fraction"
        )
    bpe = Tokenizer(learn(words, vocab_size, MIN_FREQUENCY, [END_OF_TEXT, MASK.content]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens([END_OF_TEXT, MASK])
    names = dict.fromkeys(("eos_token", "bos_token", "unk_token", "pad_token"), END_OF_TEXT)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        mask_token=MASK,
        clean_up_tokenization_spaces=False,
        model_max_length=NO_LIMIT,
        **names,
    )


def load(name: str) -> Any:
    """Take over an existing tokenizer, with `<|mask|>` added where it has no mask token.

    Args:
        name: a folder (a tokenizer's, or only vocab.json and merges.txt), or a name on the model hub.

    Raises:
        RunError: it cannot be loaded, is no fast tokenizer, or has no token that ends a text.
    """
    from transformers import AutoTokenizer, GPT2TokenizerFast

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; the last error is told below
    folder = Path(name)
    if not folder.is_dir() and (folder.exists() or name.startswith((".", "/", "~"))):
        raise RunError(f"--pretrained {name}: no such folder; name a folder with tokenizer.json, or a model of the hub")
    bare = not (folder / "config.json").exists() and not (folder / "tokenizer.json").exists()
    kind = GPT2TokenizerFast if folder.is_dir() and bare and (folder / "merges.txt").exists() else AutoTokenizer
    options = {} if kind is GPT2TokenizerFast else {"trust_remote_code": False}
    try:
        tokenizer = kind.from_pretrained(name, **options)
    except Exception as error:  # the hub, the network, and half a dozen libraries' own classes
        first = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise RunError(f"--pretrained {name}: cannot load this tokenizer: {first}") from None
    if not tokenizer.is_fast:
        raise RunError(f"--pretrained {name}: has no tokenizer.json form; take another tokenizer")
    if tokenizer.eos_token is None and tokenizer.sep_token is None:
        raise RunError(f"--pretrained {name}: has no token that ends a text (eos or sep); take another tokenizer")
    if tokenizer.mask_token is None:
        tokenizer.add_special_tokens({"mask_token": MASK})
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.model_max_length = NO_LIMIT
    return tokenizer


def save(tokenizer: Any, folder: Path, provenance: dict[str, Any]) -> "Encoder":
    """Write a tokenizer's folder, whole or not at all, once it is sure that it loads as it was.

    Raises:
        UsageError: `folder` holds something else.
        RunError: what was written does not give the same ids back.
    """
    check_output(folder)
    with new_folder(folder) as unfinished:
        tokenizer.save_pretrained(unfinished)
        (unfinished / PROVENANCE).write_text(json.dumps(provenance, indent=1, ensure_ascii=False) + "\n")
        return _as_it_was(tokenizer, unfinished)


def check_output(folder: Path) -> None:
    """Raise UsageError unless `folder` is new, empty, or a tokenizer that this command made, and can be replaced."""
    if not folder.exists() and not folder.is_symlink():
        return
    refuse_mount(folder, "--output")
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / PROVENANCE).exists()):
        raise UsageError(
            f"{folder}: holds something that this command did not make; name an empty or new folder with --output"
        )


def _as_it_was(tokenizer: Any, folder: Path) -> "Encoder":
    """Load a saved tokenizer again, and refuse it if it is not what was made."""
    import transformers

    from pipeline.tokens import HARD_TEXT, Encoder

    # AutoTokenizer would find this very class for a new tokenizer, but its import alone loads torch.
    trained_here = type(tokenizer) is transformers.PreTrainedTokenizerFast
    kind = transformers.PreTrainedTokenizerFast if trained_here else transformers.AutoTokenizer
    again = kind.from_pretrained(folder, trust_remote_code=False)
    encoder = Encoder(folder)
    ordinary = HARD_TEXT
    for token in encoder.special_tokens:  # which only the encoder takes for text
        ordinary = ordinary.replace(token, "")
    [ids] = encoder.encode_batch([ordinary])
    same = again(HARD_TEXT)["input_ids"] == tokenizer(HARD_TEXT)["input_ids"]
    same = same and ids.tolist() == tokenizer(ordinary, add_special_tokens=False)["input_ids"]
    if not same or again.mask_token_id != encoder.mask_id or len(again) != encoder.vocab_size:
        raise RunError("the tokenizer gives other ids once it is saved and loaded again; take another one")
    return encoder


def take_over(name: str, folder: Path) -> "Encoder":
    """Take over a tokenizer (see `load`), and write it to `folder`."""
    check_output(folder)
    tokenizer = load(name)
    try:
        return save(tokenizer, folder, {"pretrained": Path(name).name if Path(name).exists() else name})
    except RunError as error:  # says what is wrong with a file that is gone by now
        raise RunError(f"--pretrained {name}: {str(error).rpartition('tokenizer.json: ')[2]}") from None


def make(
    source: SourceSettings, split: SplitSettings, how: TokenizerSettings, folder: Path, options: "PipelineOptions"
) -> "Encoder":
    """Train the tokenizer that the settings ask for, on a Beam runner, and write it to `folder`."""
    from pipeline.run.words import count_words_of
    from pipeline.source import open_mixture

    check_output(folder)
    mixture = open_mixture(source)
    counted = count_words_of(mixture, taken(split, how.sample), folder, options)
    for note in remarks(counted):
        print(f"{program(PROGRAM)}: {note}", file=sys.stderr)
    provenance = {
        "vocab_size": how.vocab_size,
        **({} if how.sample is None else {"sample": how.sample}),
        "source": mixture.entry.model_dump(),
        **mixture.record(),
        "split": split.model_dump(mode="json"),
    }
    return save(train_on_words(counted.words, how.vocab_size or 0), folder, provenance)


def remarks(counted: "Counted") -> Iterator[str]:
    """Say what was left out that a user may not expect."""
    if counted.older:
        yield f"{counted.older} pages are older revisions of others, and are left out"
    if counted.rarest:
        left_out = f"{counted.different - len(counted.words)} of {counted.different} different words are left out"
        yield f"{left_out}, none of which occurs more than {counted.rarest} times: memory is bounded"


def taken(split: SplitSettings, sample: int | None) -> SplitSettings:
    """Return a split that takes only a sample of its training articles, those with the smallest digests; None: all."""
    if sample is None:
        return split
    most = sample if split.take is None else min(sample, split.take[0])
    return split.model_copy(update={"take": (most, 0)})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command `python -m pipeline.tokenizer`."""
    parser = Parser(prog=program(PROGRAM), description=__doc__)
    parser.defaults_from("tokenizer")
    add_source(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", default=Path("data/tokenizer"), help="where the tokenizer goes"
    )
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--vocab-size", type=int, metavar="N", help="train a new one with this many entries")
    way.add_argument(
        "--pretrained", metavar="NAME_OR_DIR", help="take this one, such as gpt2, from the hub or a folder"
    )
    parser.add_argument(
        "--sample",
        type=int,
        metavar="N",
        help="train it on this many training articles alone, those with the smallest digests, where all take too long",
    )
    add_split(parser)
    parser.add_params()
    args, rest = parse_with_beam(parser, argv)
    ways = from_flags(args, "vocab_size", "pretrained")
    if ways:  # a way named here replaces the one in params.yaml
        ways = {"vocab_size": args.vocab_size, "pretrained": args.pretrained}
    ways |= from_flags(args, "sample")
    how = section(args.params, "tokenizer", TokenizerSettings, ways)
    source, split = source_settings(args), split_settings(args)
    with stopped_by_signals("make it anew"):
        if how.pretrained is not None:
            encoder = take_over(how.pretrained, args.output)
        else:
            with quiet():  # and only here, since Beam takes seconds that --help need not wait for
                from pipeline.run.beam import beam_options
            encoder = make(source, split, how, args.output, beam_options(rest))
    if encoder.note:
        print(f"{program(PROGRAM)}: {encoder.note}", file=sys.stderr)
    if how.vocab_size is not None and encoder.vocab_size < how.vocab_size:
        print(
            f"{program(PROGRAM)}: the texts give only {encoder.vocab_size} entries of the {how.vocab_size} asked for",
            file=sys.stderr,
        )
    print(json.dumps({"output": str(args.output), "engine": encoder.engine, **encoder.entry.model_dump()}))


if __name__ == "__main__":
    sys.exit(run(main, PROGRAM))
