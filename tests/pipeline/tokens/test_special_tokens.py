"""For every family of tokenizers: ids are those of `AutoTokenizer`, and no text spells a special token."""

import itertools
import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from pipeline.articles.article import Article
from pipeline.settings import SourceSettings
from pipeline.source.plan import open_source
from pipeline.tokenizer import load, save, take_over
from pipeline.tokens.encoder import GIGATOKEN, HARD_TEXT, TOKENIZERS, Encoder
from pipeline.unit.steps import cleaner_of
from wikilm.errors import RunError

CORPUS = Path(__file__).parents[3] / "corpus" / "miniwiki-pages-articles-multistream.xml.bz2"
SPECIALS = {"eos_token": "</s>", "mask_token": "<mask>", "unk_token": "<unk>", "bos_token": "<s>", "pad_token": "<pad>"}
QUOTES = ["a </s> b <mask> c", "</s>", "x</s>y<s><pad>z <mask>", "<unk></s> </s></s>", "▁</s> ▁<mask> </s>\n</s>"]
NORMALIZED = [
    "a ＜/s＞ b ＜ｍask＞",
    "</S> <MASK>",
    "<\u0301/s> </s\u0301> <mas\u0301k>",
]  # what normalizers make special tokens of


@pytest.fixture(scope="module")
def prose() -> list[str]:
    source = open_source(SourceSettings(path=str(CORPUS), unit_bytes=10**6))
    pages = itertools.chain.from_iterable(unit.pages(source.site) for unit in source.units)
    articles = itertools.islice((page for page in pages if isinstance(page, Article)), 60)
    return [str(cleaner_of(source).prose(article)) for article in articles]


def byte_level(model, **options) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, **options)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def trained(tokenizer: Tokenizer, trainer, prose: list[str]) -> Tokenizer:
    tokenizer.train_from_iterator(prose, trainer)
    return tokenizer


def bpe(prose) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    return trained(byte_level(models.BPE()), trainer, prose)


def bpe_with_added_words(prose) -> Tokenizer:
    tokenizer = bpe(prose)
    tokenizer.add_special_tokens(["</s>", "<mask>"])
    tokenizer.add_tokens(["\n\n", "   ", "river", "the"])
    tokenizer.add_special_tokens(["<pad>"])
    tokenizer.add_tokens(["town"])
    return tokenizer


def bpe_with_words_under_conditions(prose) -> Tokenizer:
    tokenizer = bpe_with_added_words(prose)
    tokenizer.add_tokens([AddedToken("and", single_word=True), AddedToken("of", lstrip=True, rstrip=True)])
    return tokenizer


def bpe_that_takes_whole_words(prose) -> Tokenizer:
    """As Llama 3 does: a word that the vocabulary holds is a token, whatever the merges are."""
    parts = json.loads(bpe(prose).to_str())
    parts["model"] |= {"ignore_merges": True}
    for token in SPECIALS.values():
        parts["model"]["vocab"][token] = len(parts["model"]["vocab"])
    parts["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, parts["pre_tokenizer"]
                              | {"use_regex": False}]}  # fmt: skip
    return Tokenizer.from_str(json.dumps(parts))


def bpe_with_byte_fallback(prose) -> Tokenizer:
    """As Llama 2 is: merges make every piece of the vocabulary, the special tokens, too."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = [*SPECIALS.values(), *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, limit_alphabet=80, show_progress=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    parts = json.loads(trained(tokenizer, trainer, ["</s> < s> /s> <", *prose]).to_str())
    ids = parts["model"]["vocab"]
    for letter in "<>/s":
        ids.setdefault(letter, len(ids))
    for piece in ("</", "s>"):
        ids.setdefault(piece, len(ids))
    parts["model"]["merges"][:0] = [["<", "/"], ["s", ">"], ["</", "s>"]]
    ids.setdefault("</s>a", len(ids))
    parts["model"]["merges"].append(["</s>", "a"])
    parts |= {"added_tokens": [], "pre_tokenizer": None}
    parts["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    return Tokenizer.from_str(json.dumps(parts))


def unigram(prose) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = list(SPECIALS.values())
    trainer = trainers.UnigramTrainer(vocab_size=500, special_tokens=special, unk_token="<unk>", show_progress=False)
    return trained(tokenizer, trainer, prose)


def wordpiece(prose, pre_tokenizer=None) -> Tokenizer:
    """On words between spaces, so that a special token is a word of its own, or as another pre-tokenizer cuts."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=list(SPECIALS.values()), show_progress=False)
    return trained(tokenizer, trainer, prose)


def bert_with_words(prose) -> Tokenizer:
    """As BERT is, with words added as they are written and as they are normalized, and its post-processor."""
    tokenizer = wordpiece(prose, pre_tokenizers.BertPreTokenizer())
    tokenizer.add_tokens(["of the", AddedToken("THE", normalized=True), AddedToken("River", normalized=False)])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>")]
    tokenizer.post_processor = processors.BertProcessing(*ends)
    return tokenizer


def unigram_with_byte_fallback(prose) -> Tokenizer:
    """As T5 and Gemma are; the beginning of a text is no beginning of a word."""
    parts = json.loads(unigram(prose).to_str())
    parts["model"]["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
    parts["model"]["byte_fallback"] = True
    parts["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    parts["pre_tokenizer"]["prepend_scheme"] = "never"
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.add_tokens(["\n\n", "  ", AddedToken("river", lstrip=True), AddedToken("of", single_word=True)])
    return tokenizer


def bpe_on_the_first_word(prose) -> Tokenizer:
    """As Llama 2 is since `legacy: false`: a blank is put before the text alone, not before what follows a token."""
    parts = json.loads(bpe_with_byte_fallback(prose).to_str())
    parts["normalizer"] = None
    parts["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.add_special_tokens(list(SPECIALS.values()))
    tokenizer.add_tokens(["\n\n", "river", "</s>x", "<"])
    return tokenizer


def bpe_with_normalized_words(prose) -> Tokenizer:
    tokenizer = bpe(prose)
    steps = [normalizers.NFKD(), normalizers.Lowercase(), normalizers.StripAccents()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.add_tokens([AddedToken("The", normalized=True), AddedToken("RIVER", normalized=False), "e"])
    return tokenizer


def wordlevel(prose) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(vocab_size=900, special_tokens=list(SPECIALS.values()), show_progress=False)
    return trained(tokenizer, trainer, prose)


def with_beginning(make):
    """A family, but with a token that its post-processor puts before every text."""

    def made(prose) -> Tokenizer:
        tokenizer = make(prose)
        tokenizer.add_special_tokens(["<s>", "</s>"])
        ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
        return tokenizer

    made.__name__ = f"{make.__name__}_with_beginning"
    return made


def of_size(size: int, make=bpe):
    """A vocabulary of so many entries, the last of which occur in texts."""

    def made(prose) -> Tokenizer:
        parts = json.loads(make(prose).to_str())
        vocab = parts["model"]["vocab"]
        held = set(vocab if isinstance(vocab, dict) else (piece for piece, _ in vocab))
        new = len({*SPECIALS.values(), "of the"} - held)
        fillers = [f"filler{number}" for number in range(size - new - len(vocab))]
        if isinstance(vocab, dict):
            vocab |= {filler: len(vocab) + number for number, filler in enumerate(fillers)}
        else:
            vocab += [[filler, -50.0] for filler in fillers]
        tokenizer = Tokenizer.from_str(json.dumps(parts))
        tokenizer.add_special_tokens(list(SPECIALS.values()))
        tokenizer.add_tokens(["of the"])
        assert tokenizer.get_vocab_size() == size
        return tokenizer

    made.__name__ = f"{make.__name__}_of_size_{size}"
    return made


FAMILIES = [
    bpe, bpe_with_added_words, bpe_with_words_under_conditions, bpe_that_takes_whole_words, bpe_with_byte_fallback,
    unigram, wordpiece, wordlevel, with_beginning(bpe), with_beginning(unigram), of_size(65_536), of_size(70_000),
    bert_with_words, unigram_with_byte_fallback, bpe_on_the_first_word, bpe_with_normalized_words,
    *(pytest.param(family, marks=pytest.mark.slow) for family in (
        of_size(65_534), of_size(65_537), of_size(65_536, wordpiece), of_size(70_000, unigram),
    )),
]  # fmt: skip


def folder_of(tokenizer: Tokenizer, path: Path, **names: str) -> Path:
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIALS | names).save_pretrained(path)
    return path


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_ids_are_those_of_the_tokenizer_and_no_text_spells_a_special_token(family, prose, tmp_path):
    folder = folder_of(family(prose), tmp_path / "given")
    encoder = save(load(str(folder)), tmp_path / "taken", {})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = tokenizer(prose, add_special_tokens=False)["input_ids"]
    for engine in {encoder.engine, TOKENIZERS}:
        one = Encoder(tmp_path / "taken", engine)
        assert [ids.tolist() for ids in one.encode_batch(prose)] == expected
        assert len(one._fast.encode_batch(["a"])) if engine == GIGATOKEN else one._fast is None
        special = {tokenizer.convert_tokens_to_ids(token) for token in SPECIALS.values()} - {tokenizer.unk_token_id}
        for ids in one.encode_batch([*QUOTES, *NORMALIZED, HARD_TEXT]):
            assert not special & set(ids.tolist())
    assert encoder.vocab_size == len(tokenizer)
    assert (encoder.end_of_text_id, encoder.mask_id) == (tokenizer.eos_token_id, tokenizer.mask_token_id)
    assert encoder.decode([encoder.end_of_text_id]) == "</s>"


@pytest.mark.parametrize("family", [bpe, bpe_with_added_words, bpe_with_byte_fallback], ids=lambda f: f.__name__)
def test_a_quoted_special_token_comes_back_as_the_text_it_was(family, prose, tmp_path):
    encoder = Encoder(folder_of(family(prose), tmp_path / "one"))
    for text in QUOTES:
        [ids] = encoder.encode_batch([text])
        assert encoder.decode(ids).replace("▁", " ").strip() == text.replace("▁", " ").strip()


def test_gigatoken_is_used_where_it_agrees_about_added_words_and_not_where_it_does_not(prose, tmp_path):
    engines = [
        Encoder(folder_of(family(prose), tmp_path / family.__name__)).engine
        for family in (bpe, bpe_with_added_words, bpe_with_words_under_conditions)
    ]
    assert engines == [GIGATOKEN, GIGATOKEN, TOKENIZERS]


def test_a_special_token_of_one_character_spells_that_character_too(prose, tmp_path):
    folder = folder_of(bpe(prose), tmp_path / "clip", pad_token="!")
    [ids] = Encoder(folder).encode_batch(["Stop!"])
    assert Encoder(folder).decode(ids) == "Stop!"


def test_a_tokenizer_that_cannot_tell_text_from_its_end_is_refused_in_one_line(prose, tmp_path):
    with pytest.raises(RunError, match=r"tokenizer\.json: gives ordinary text the id that ends a text"):
        Encoder(folder_of(bpe(prose), tmp_path / "letter", eos_token="a"))
    parts = json.loads(wordpiece(prose).to_str())
    parts["model"]["unk_token"] = "</s>"
    with pytest.raises(RunError, match="gives ordinary text the id that ends a text"):
        Encoder(folder_of(Tokenizer.from_str(json.dumps(parts)), tmp_path / "unknown"))


def test_a_tokenizer_that_gives_ordinary_text_no_ids_is_refused_when_it_is_taken_up(tmp_path):
    vocab = {token: number for number, token in enumerate(SPECIALS.values())}
    folder = folder_of(byte_level(models.BPE(vocab=vocab, merges=[])), tmp_path / "empty")
    with pytest.raises(RunError, match=r"tokenizer\.json: gives no ids for ordinary text") as caught:
        save(load(str(folder)), tmp_path / "taken", {})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "taken").exists()


@pytest.mark.parametrize(
    "model",
    [
        models.WordLevel({token: number for number, token in enumerate(SPECIALS.values())}, unk_token="<unk>"),
        models.WordPiece({token: number for number, token in enumerate(SPECIALS.values())}, unk_token="<unk>"),
        models.Unigram([(token, 0.0) for token in SPECIALS.values()], unk_id=2),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_tokenizer_that_knows_no_word_is_refused_by_its_flag(model, tmp_path):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    folder = folder_of(tokenizer, tmp_path / "unknown")
    with pytest.raises(RunError, match=f"^--pretrained {folder}: gives all ordinary text one and the same id; take"):
        take_over(str(folder), tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["unknown"]


def test_a_tokenizer_that_fails_at_an_unknown_word_is_refused_when_it_is_taken_up(tmp_path):
    model = models.WordPiece(vocab={"the": 0, "</s>": 1, "<mask>": 2}, unk_token="[UNK]")
    folder = folder_of(Tokenizer(model), tmp_path / "no-unk")
    with pytest.raises(RunError, match="cannot encode ordinary text"):
        Encoder(folder)


def test_a_token_that_is_only_named_in_the_configuration_is_special_too(prose, tmp_path):
    folder = folder_of(unigram(prose), tmp_path / "one")
    parts = json.loads((folder / "tokenizer.json").read_bytes())
    parts["added_tokens"] = [token | {"special": False} for token in parts["added_tokens"]]
    (folder / "tokenizer.json").write_text(json.dumps(parts))
    encoder = Encoder(folder)
    ids = encoder.encode_batch(QUOTES).ids
    assert not {encoder.end_of_text_id, encoder.mask_id} & set(ids.tolist())
