"""Define the settings of a training run: sections pretrain.causal and pretrain.masked of params.yaml."""

from typing import Literal, NamedTuple, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from wikilm.params import Section

Objective = Literal["causal", "masked"]
Compile = Literal["auto", True, False]
Tracker = Literal["dvclive", "tensorboard", "trackio", "wandb", "mlflow"]
DVCLIVE: Tracker = "dvclive"  # as Accelerate calls them
TENSORBOARD: Tracker = "tensorboard"
OBJECTIVES: tuple[Objective, ...] = ("causal", "masked")


class Shape(NamedTuple):
    """The size of a transformer."""

    layers: int
    heads: int
    width: int


class InitSettings(Section):
    """Which weights to start from (key `init`)."""

    model_config = ConfigDict(serialize_by_alias=True)

    source: str | None = Field(
        default=None, min_length=1, alias="from", description="a folder or hub name; null: fresh weights"
    )
    revision: str | None = Field(default=None, min_length=1, description="of a hub name: a commit, tag or branch")

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.revision is not None and self.source is None:
            raise ValueError(f"revision {self.revision!r} says of which model only with from; name the model there")
        return self


class PretrainSettings(Section):
    """What both objectives need: the model's shape, the optimizer, the schedule, and what to do how often."""

    init: InitSettings = Field(default_factory=InitSettings, description="weights to start from")
    layers: int | None = Field(ge=1, description="transformer blocks; null: those of init.from")
    heads: int | None = Field(ge=1, description="attention heads per block; divides width; null: those of init.from")
    width: int | None = Field(ge=8, description="size of a hidden state; null: that of init.from")
    dropout: float = Field(ge=0, lt=1, description="share of hidden values and attention weights zeroed in training")

    initialization: str = Field(default="normal", description="fresh weights; each objective has its own kinds")

    optimizer: Literal["muon", "adamw"] = Field(description="for the hidden matrices; AdamW always has the rest")
    learning_rate: float = Field(gt=0, le=1e6, description="the highest rate of the schedule")
    adamw_lr_fraction: float = Field(
        gt=0, le=1, description="share of the rate for what AdamW has beside Muon; no effect where it has everything"
    )
    weight_decay: float = Field(ge=0, description="decoupled, on matrices and embeddings; times the learning rate")
    clip_norm: float | None = Field(gt=0, description="longest gradient, as a norm over all parameters; null: no limit")
    schedule: Literal["linear", "cosine", "wsd", "constant"] = Field(
        description="how the rate falls after the warmup; wsd holds it, then lets it fall over the last fifth"
    )
    warmup_fraction: float = Field(ge=0, lt=1, description="share of the steps in which the rate rises from zero")
    final_lr_fraction: float = Field(ge=0, le=1, description="share of the rate that is left at the end")

    batch_size: int = Field(ge=1, description="rows per step, over all processes")
    gradient_accumulation: int = Field(ge=1, description="parts that a process cuts its share of a batch into")
    epochs: int = Field(ge=1, description="times that every training row is seen")
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = Field(
        description="auto: bf16 on GPUs that have it and CPUs with AMX, no elsewhere; fp16 scales the loss"
    )
    compile: Compile = Field(
        default="auto", description="whether torch.compile fuses model and loss; auto: on a CUDA device, not elsewhere"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="compute each block again in the backward pass, rather than keep what it computed"
    )
    ema_decay: float | None = Field(
        default=None, gt=0, lt=1, description="of an exponential moving average of the weights; null: none"
    )
    seed: int = Field(ge=0, lt=2**63, description="of the first weights, the order of rows, dropout and masks")

    log_every_steps: int = Field(ge=1, description="steps between two points of the training loss, each their mean")
    validate_every_steps: int = Field(ge=1, description="steps between two validations; also after the last step")
    validation_rows: int | None = Field(ge=1, description="rows per validation, spread over the split; null: all")
    checkpoint_every_steps: int = Field(ge=1, description="steps between two checkpoints")
    keep_best: bool = Field(default=True, description="export the weights of the lowest validation loss, too")
    keep_every_steps: int | None = Field(
        default=None, ge=1, description="steps between two copies of the weights to export, too; null: none"
    )
    early_stopping: int | None = Field(
        default=None, ge=1, description="validations without a lower loss after which a run ends; null: it does not"
    )
    exposures: bool = Field(default=False, description="export a record of which rows went into which step")
    trackers: list[Tracker] = Field(
        default=["dvclive"], description="where curves go: dvclive where it is installed, and others, which must be"
    )
    sample_every_steps: int | None = Field(ge=1, description="steps between two samples of text; null: none")
    sample_prompt: str = Field(min_length=1, description="text that a sample continues")

    @field_validator("compile", mode="before")
    @classmethod
    def _is_one_of_three(cls, value: object) -> object:
        if value != "auto" and not isinstance(value, bool):  # 1 and 0 equal true and false
            raise ValueError("should be auto, true or false")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if missing := [name for name in Shape._fields if getattr(self, name) is None and self.init.source is None]:
            raise ValueError(f"{', '.join(missing)}: may be empty only where init.from names a model to take it from")
        if self.width and self.heads and self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got width {self.width} and heads {self.heads}")
        if self.batch_size < self.gradient_accumulation:
            raise ValueError(
                f"gradient_accumulation cannot cut {self.batch_size} rows (batch_size) into "
                f"{self.gradient_accumulation} parts"
            )
        if self.schedule == "constant" and self.final_lr_fraction != 1:
            raise ValueError(f"final_lr_fraction must be 1 where schedule is constant, got {self.final_lr_fraction}")
        return self

    @property
    def shape(self) -> Shape:
        """The size of the model, once it is known (see `train.warm_start.settled`)."""
        assert self.layers is not None
        assert self.heads is not None
        assert self.width is not None
        return Shape(self.layers, self.heads, self.width)


class CausalSettings(PretrainSettings):
    """GPT-2 or Llama: every token is predicted from those before it (section `pretrain.causal`)."""

    architecture: Literal["gpt2", "llama"] = Field(
        default="gpt2", description="GPT-2, or Llama: rotary positions, RMSNorm and SwiGLU, without biases"
    )
    initialization: Literal["normal", "frequencies"] = Field(
        default="normal",
        description="fresh weights: GPT-2's own, or an output of the tokens' frequencies; no effect on others",
    )

    @model_validator(mode="after")
    def _has_pairs_to_rotate(self) -> Self:
        if self.architecture == "llama" and self.width and self.heads and self.width // self.heads % 2:
            raise ValueError(
                f"width must be an even multiple of heads with architecture llama, whose positions rotate pairs, got "
                f"width {self.width} and heads {self.heads}"
            )
        return self


class MaskedSettings(PretrainSettings):
    """BERT: masked tokens are predicted from all around them (section `pretrain.masked`)."""

    masked_fraction: float = Field(gt=0, le=1, description="share of the positions, end-of-text aside, that are hidden")
    predict: Literal["masked", "all"] = Field(
        default="masked", description="the hidden tokens, or all, each as if it were hidden, too; all needs one layer"
    )
    initialization: Literal["normal", "neighbors"] = Field(
        default="normal",
        description="fresh weights: BERT's own, or heads that look at the neighboring tokens; no effect on others",
    )

    @model_validator(mode="after")
    def _leaves_out_in_one_layer(self) -> Self:
        if self.predict == "all" and self.layers not in (1, None):  # None: those of the model that it starts from
            raise ValueError(
                f"predict must be masked where there are more layers than one, since a second one would see the token "
                f"to predict in what its neighbors say, got layers {self.layers}"
            )
        return self

    @model_validator(mode="after")
    def _prompt_has_a_mask(self) -> Self:
        if self.sample_every_steps is not None and "[MASK]" not in self.sample_prompt:
            raise ValueError(f"sample_prompt must hold [MASK], which the model fills in, got {self.sample_prompt!r}")
        return self


SETTINGS: dict[Objective, type[PretrainSettings]] = {"causal": CausalSettings, "masked": MaskedSettings}
