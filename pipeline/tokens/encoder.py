"""Encode texts as token ids: with gigatoken where it gives the same ids as `tokenizers`, else with those."""

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import awkward  # gigatoken takes and gives its arrays
import gigatoken
import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from pipeline.articles import utf8_of
from pipeline.tokens.rows import TokenIds, token_ids
from pipeline.tokens.special_tokens import content_of, hide, special_tokens
from wikilm.errors import RunError, reason
from wikilm.shards.format import id_type
from wikilm.shards.manifest import TokenizerEntry

GIGATOKEN, TOKENIZERS = "gigatoken", "tokenizers"
# gigatoken keeps every word it has met, some 75 MB for a GB of text: loaded anew after 1.4 GB or so, it forgets them.
FORGET_AFTER_IDS = 300_000_000
Texts = Any  # a sequence of strings, or a pyarrow string array without nulls

# What tokenizers stumble over: scripts, marks, emoji with joiners, digits, runs of blanks, controls, special tokens.
HARD_TEXT = (
    "Zażółć gęślą jaźń. Ēdole, Rēzekne; đã được Việt Nam hoá. Привет, мир! "
    "שלום עולם، مرحبا بالعالم — नमस्ते दुनिया, สวัสดีชาวโลก 你好世界，こんにちは世界 안녕하세요 "
    "👩‍👩‍👧‍👦🏳️‍🌈 e\u0301 \u00a0\u2003\u3000\u200b\ufeff|\x00\x01\x1b[31m\x7f\x85\u2028 1234567890 3.14159 12,345 ½²Ⅻ "
    "it's we'll I'd they've DON'T ‘quoted’ don’t \t\t tabs \r\n\r\n  two   three    four \n \n\n x\n"
    "<|endoftext|><|endoftext|> <|mask|> [MASK] </s> <pad> " + "a" * 70 + "=" * 40 + " " * 33
)


class Encoder:
    """Encodes texts as token ids, with a tokenizer made by `python -m pipeline.tokenizer`.

    Special tokens in a text are ordinary text: an article that quotes `<|endoftext|>` does not end a document. That is
    so because texts are encoded with a copy of tokenizer.json in which they have other names (see `hide`). All other
    ids are those of `AutoTokenizer`, also those of added tokens that are not special.

    Attributes:
        special_tokens: the texts of the special tokens.
        engine: "gigatoken" or "tokenizers".
        note: why the engine is not gigatoken, in one line, else None.
        sha256: of tokenizer.json.
        vocab_size: number of entries; every id is below it.
        end_of_text_id: the id that ends an article in `pack` chunking.
        mask_id: the id that stands for a masked token.
    """

    def __init__(self, folder: Path, engine: str | None = None) -> None:
        """Load the tokenizer.

        Args:
            folder: holds tokenizer.json and tokenizer_config.json.
            engine: take this one without a comparison; None compares both on `HARD_TEXT` and decides.

        Raises:
            RunError: the folder holds no tokenizer that `python -m pipeline.tokenizer` made, or one that cannot encode
                ordinary text, or does so with the ids that end a text or hide a token.
        """
        data, config = _read(folder)
        self._whole, self._reference, self.special_tokens = _load(folder, data, config)
        self.sha256 = hashlib.sha256(data).hexdigest()
        ids = list(self._whole.get_vocab(with_added_tokens=True).values())
        if len(set(ids)) != len(ids):  # so it comes out when a token is added to a vocabulary with gaps
            raise RunError(f"{folder / 'tokenizer.json'}: two of its tokens share an id; take another tokenizer")
        self.vocab_size = max(ids) + 1
        self.end_of_text_id = _special_id(folder, self._whole, config, "eos_token", "sep_token")
        self.mask_id = _special_id(folder, self._whole, config, "mask_token")
        self._check(folder / "tokenizer.json")
        self.note: str | None = None
        self._fast: Any = None
        self._remembered = 0  # ids that gigatoken gave since it was loaded
        if engine != TOKENIZERS:
            self._try_gigatoken()
        if engine is None:
            self.compare([HARD_TEXT, "", *HARD_TEXT.split(), *self._quoted()])

    @property
    def engine(self) -> str:
        """Which library makes the ids."""
        return GIGATOKEN if self._fast is not None else TOKENIZERS

    @property
    def entry(self) -> TokenizerEntry:
        """What the manifest says of this tokenizer."""
        return TokenizerEntry(
            sha256=self.sha256,
            vocab_size=self.vocab_size,
            end_of_text_id=self.end_of_text_id,
            mask_id=self.mask_id,
        )

    def encode_batch(self, texts: Texts) -> TokenIds:
        """Encode each text as ids of the type that shards have, without special tokens at either end.

        Raises:
            RunError: an id is not below `vocab_size`, so the tokenizer is not the one that it claims to be.
        """
        if not len(texts):
            return self._narrowed(token_ids([]))
        if self._fast is None:
            return self._narrowed(_by_tokenizers(self._reference, texts))
        if self._remembered > FORGET_AFTER_IDS:
            self._load_gigatoken()
        found = self._narrowed(_by_gigatoken(self._fast, texts))
        self._remembered += len(found.ids)
        return found

    def compare(self, texts: Sequence[str]) -> None:
        """Encode the texts with both engines, and go on with `tokenizers` alone if the ids differ anywhere."""
        if self._fast is None or not texts:
            return
        fast, reference = _by_gigatoken(self._fast, texts), _by_tokenizers(self._reference, texts)
        if not (np.array_equal(fast.offsets, reference.offsets) and np.array_equal(fast.ids, reference.ids)):
            self._fast = None
            self.note = "gigatoken and tokenizers give different ids for this tokenizer; going on with tokenizers"

    def copy_for_thread(self) -> "Encoder":
        """Make an encoder for another thread: it shares all but what gigatoken remembers, so it is soon made."""
        other = copy.copy(self)
        if other._fast is not None:
            other._load_gigatoken()
        return other

    def decode(self, ids: Sequence[int]) -> str:
        """Decode ids into text, for people."""
        return str(self._whole.decode(list(ids), skip_special_tokens=False))

    def _quoted(self) -> list[str]:
        """Quote each added and special token, alone, within a word and between words."""
        added = {token.content for token in self._whole.get_added_tokens_decoder().values()}
        tokens = sorted(added | self.special_tokens)
        return [text for token in tokens for text in (token, f"a{token}a", f"a  {token} .")]

    def _check(self, path: Path) -> None:
        try:
            found = _by_tokenizers(self._reference, [HARD_TEXT, *self._quoted()])
        except Exception as error:  # `tokenizers` raises bare Exception
            raise RunError(f"{path}: cannot encode ordinary text: {reason(error)}; take another tokenizer") from None
        if not found.lengths[0]:
            raise RunError(f"{path}: gives no ids for ordinary text; take another tokenizer")
        if len(set(next(iter(found)).tolist())) == 1:  # that of the unknown token
            raise RunError(f"{path}: gives all ordinary text one and the same id; take another tokenizer")
        if np.isin([self.end_of_text_id, self.mask_id], found.ids).any():
            raise RunError(
                f"{path}: gives ordinary text the id that ends a text or that hides a token; take another tokenizer"
            )

    def _try_gigatoken(self) -> None:
        words = [token for token in self._reference.get_added_tokens_decoder().values() if not token.special]
        conditions = {(word.single_word, word.lstrip, word.rstrip, word.normalized) for word in words}
        if len(conditions) > 1 or any(condition[:3] != (False, False, False) for condition in conditions):
            self.note = "gigatoken does not know where added tokens count; going on with tokenizers"
            return
        try:
            self._load_gigatoken()
            self._fast.encode_batch(["a"], parallel=False)
        except Exception as error:  # a young library: whatever it refuses, the reference can do
            self._fast = None
            self.note = f"gigatoken refuses this tokenizer ({reason(error)[:120]}); going on with tokenizers"

    def _narrowed(self, found: TokenIds) -> TokenIds:
        """Give ids the type that they have in shards, and do so early: half the bytes are copied in half the time."""
        largest = int(found.ids.max(initial=0))
        if largest >= self.vocab_size:
            raise RunError(
                f"the tokenizer gave id {largest}, but has {self.vocab_size} entries: "
                "make it again with python -m pipeline.tokenizer"
            )
        return TokenIds(found.ids.astype(id_type(self.vocab_size).to_pandas_dtype(), copy=False), found.offsets)

    def _load_gigatoken(self) -> None:
        self._fast, self._remembered = gigatoken.Tokenizer.from_json(self._reference.to_str()), 0


def _by_gigatoken(engine: Any, texts: Texts) -> TokenIds:
    # parallel=False: the units are what runs in parallel, and results are the same either way.
    layout = engine.encode_batch(_borrowed(texts), parallel=False).layout
    return TokenIds(np.asarray(layout.content.data, np.uint32), np.asarray(layout.offsets.data, np.int64))


def _borrowed(texts: Texts) -> Any:
    """Put texts into the one form of which gigatoken makes no copy."""
    column = texts if isinstance(texts, pa.StringArray) else pa.array(texts, pa.string())
    data, offsets = utf8_of(column)
    characters = awkward.contents.NumpyArray(data, parameters={"__array__": "char"})
    layout = awkward.contents.ListOffsetArray(
        awkward.index.Index64(offsets), characters, parameters={"__array__": "string"}
    )
    return awkward.Array(layout)


def _by_tokenizers(engine: Tokenizer, texts: Texts) -> TokenIds:
    strings = texts.to_pylist() if isinstance(texts, pa.StringArray) else list(texts)
    encodings = engine.encode_batch_fast(strings, add_special_tokens=False)
    return token_ids([np.array(encoding.ids, dtype=np.uint32) for encoding in encodings])


def _read(folder: Path) -> tuple[bytes, dict[str, Any]]:
    """Read the bytes of tokenizer.json, and parse tokenizer_config.json."""
    remedy = f"make one with python -m pipeline.tokenizer --output {folder}"
    try:
        data = (folder / "tokenizer.json").read_bytes()
        config = json.loads((folder / "tokenizer_config.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(f"{error.filename}: no such file, so {folder} holds no tokenizer; {remedy}") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: not a readable tokenizer: {reason(error)}; {remedy}") from None
    if not isinstance(config, dict):
        raise RunError(f"{folder / 'tokenizer_config.json'}: must hold a JSON object; {remedy}")
    return data, config


def _load(folder: Path, data: bytes, config: dict[str, Any]) -> tuple[Tokenizer, Tokenizer, frozenset[str]]:
    """Load the tokenizer as it is, and as one to which all text is ordinary; also return its special tokens."""
    try:
        whole, parts = Tokenizer.from_str(data.decode()), json.loads(data)
        specials = special_tokens(parts, config)
        return whole, Tokenizer.from_str(json.dumps(hide(parts, specials))), specials
    except Exception as error:  # `tokenizers` raises bare Exception
        raise RunError(f"{folder / 'tokenizer.json'}: not a tokenizer: {reason(error)}; make it again") from None


def _special_id(folder: Path, whole: Tokenizer, config: dict[str, Any], *names: str) -> int:
    """Return the id of the first of these special tokens that the tokenizer has."""
    for name in names:
        content = content_of(config.get(name))
        if content is not None and (found := whole.token_to_id(content)) is not None:
            return int(found)
    raise RunError(
        f"{folder / 'tokenizer_config.json'}: names no {' or '.join(names)}; "
        f"take the tokenizer over with python -m pipeline.tokenizer --pretrained {folder}"
    )
