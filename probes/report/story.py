"""Define the story that the page tells: what is on it, and nothing else, in the order in which it is told.

The page shows a `Story`, and `figures.json` holds the same one: a number on the page stands there, too.
"""

from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "validation"]


@dataclass(frozen=True)
class Place:
    """Where a text stands in the corpus."""

    split: Split
    row: int
    title: str
    address: str | None  # of the article, where its wiki's is known


@dataclass(frozen=True)
class Part:
    """One part of a whole, and how much of it there is."""

    name: str
    count: int


@dataclass(frozen=True)
class Corpus:
    """The text: the parts of `articles` add up to it, and so do the rest, redirects and articles to `pages`."""

    source: str
    checksum: str
    pages: int
    articles: int
    article_parts: tuple[Part, ...]  # for training, for validation, and what was left out by its reason
    page_parts: tuple[Part, ...]  # articles, redirects, and the others by their reason
    text_bytes: int
    tokens: int
    row_tokens: int
    rows: tuple[Part, ...]  # train, validation
    tail_tokens: int
    seed: int
    chunking: str


@dataclass(frozen=True)
class Piece:
    """One token of a text."""

    id: int
    token: str


@dataclass(frozen=True)
class Tokens:
    """The tokenizer, and a text as it cuts it."""

    vocabulary: int
    sha256: str
    sample: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Choice:
    """A token that may stand at a place, and how likely a model finds it."""

    id: int | None  # None where the word has several tokens
    token: str
    probability: float
    is_right: bool = False  # it is what stands there, as far as that is known


@dataclass(frozen=True)
class Baseline:
    """What a method without a model reaches, to compare a share with."""

    name: str
    value: float


@dataclass(frozen=True)
class Measured:
    """A share from 0 to 1 of `trials`, with its 95 % confidence interval."""

    what: str
    model: str
    split: Split
    value: float
    low: float
    high: float
    trials: int
    baselines: tuple[Baseline, ...] = ()


@dataclass(frozen=True)
class At:
    """A value at a step of training."""

    step: int
    value: float


@dataclass(frozen=True)
class Moment:
    """What a model was like after a step: on the way, at its best, or at the end."""

    step: int
    is_best: bool
    is_last: bool
    train_loss: float | None
    validation_loss: float | None
    shares: tuple[Measured, ...]  # of hidden tokens guessed, and of text recited
    question: str  # a text with a blank, or a prompt
    answer: str
    choices: tuple[Choice, ...]  # for the blank


@dataclass(frozen=True)
class Learning:
    """How one model learned: losses in nats per token."""

    model: str
    steps: int
    epochs: float
    train: tuple[At, ...]
    validation: tuple[At, ...]
    blind: float  # all tokens equally likely: the logarithm of the vocabulary
    by_frequency: float | None  # each token as likely as it is common in the training text
    last_train: float
    last_validation: float
    lowest: At  # validation loss
    moments: tuple[Moment, ...]

    @property
    def turns(self) -> bool:
        """Return whether validation loss rose again before the end: from then on the text is learned by heart."""
        return self.lowest.step < self.steps and self.last_validation > self.lowest.value


@dataclass(frozen=True)
class Guess:
    """What one reading of a model puts into a blank."""

    model: str
    reading: str  # masked, left or rescored
    choices: tuple[Choice, ...]  # likeliest first


@dataclass(frozen=True)
class Blank:
    """A text with a blank."""

    before: str
    after: str
    looked_up: bool  # whether the corpus was searched for it
    place: Place | None
    answer: str | None  # what stands there in the corpus
    guesses: tuple[Guess, ...]

    @property
    def right(self) -> bool:
        """Return whether the first guess of the first reading is what stands there."""
        return bool(self.guesses) and self.guesses[0].choices[0].is_right


@dataclass(frozen=True)
class Stretch:
    """A piece of a text that is, or is not, the same on both sides of a comparison, or stands in the training text."""

    text: str
    same: bool


@dataclass(frozen=True)
class Chosen:
    """One step of writing: the token taken, and what else there was."""

    step: int
    taken: Choice
    others: tuple[Choice, ...]


@dataclass(frozen=True)
class Found:
    """A run of tokens, given ones among them, that stands word for word in the training text."""

    text: str
    tokens: int
    times: int  # how often it stands there
    title: str  # of the first article that has it
    address: str | None


@dataclass(frozen=True)
class Written:
    """What the causal model wrote after a prompt."""

    prompt: str
    text: str
    ended: str  # in words
    looked_up: bool
    place: Place | None  # of the prompt
    recited: int | None  # characters of `text` that follow the prompt there, too
    steps: tuple[Chosen, ...]
    traced: bool  # whether runs were looked for
    runs: tuple[Found, ...]


@dataclass(frozen=True)
class Read:
    """One token as a model reads it: how likely it found it, and what it expected."""

    id: int
    token: str
    probability: float | None  # none of a row's first token, before which nothing stands
    expected: tuple[Choice, ...]


@dataclass(frozen=True)
class Reading:
    """The first tokens of a row, read from left to right."""

    place: Place
    loss: float  # mean, nats per token
    tokens: tuple[Read, ...]


@dataclass(frozen=True)
class Example:
    """A row whose beginning was given, its own continuation and the model's."""

    split: Split
    given: str
    text: tuple[Stretch, ...]
    model: tuple[Stretch, ...]
    same_tokens: int
    title: str | None
    address: str | None


@dataclass(frozen=True)
class ByPrefix:
    """How much is recited after so many tokens."""

    prefix: int
    share: Measured


@dataclass(frozen=True)
class Recital:
    """How much the causal model knows by heart."""

    prefix: int
    continuation: int
    shares: tuple[Measured, ...]
    curve: tuple[ByPrefix, ...]
    anywhere: float | None  # of training text, given as many tokens from the middle of a row
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Shape:
    """What flows at one step of a model's work on the sample."""

    step: str
    shape: tuple[int, ...]
    meaning: str


@dataclass(frozen=True)
class Made:
    """What a model is made of."""

    model: str
    architecture: str
    parameters: int
    layers: int | None
    heads: int | None
    width: int | None
    positions: int | None
    tied: bool
    parts: tuple[Part, ...]
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Story:
    """All that the page shows."""

    title: str
    corpus: Corpus
    tokens: Tokens
    learning: tuple[Learning, ...]  # causal, masked
    blanks: tuple[Blank, ...]
    hidden_fraction: float
    hidden: tuple[Measured, ...]
    written: tuple[Written, ...]
    recital: Recital
    readings: tuple[Reading, ...]
    shortest_run: int | None  # tokens of a run that is told in `Written.runs`
    made: tuple[Made, ...]

    @property
    def shares(self) -> dict[tuple[str, str], Measured]:
        """The shares of the causal model's recitation and of the masked model's guesses, by what and split."""
        own = [*self.recital.shares, *(one for one in self.hidden if one.model == "masked")]
        return {(one.what, one.split): one for one in own}
