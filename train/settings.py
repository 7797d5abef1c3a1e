"""Define the settings of a training run: sections pretrain.causal and pretrain.masked of params.yaml."""

from typing import Literal, Self

from pydantic import Field, model_validator

from wikilm.params import Section

Objective = Literal["causal", "masked"]
OBJECTIVES: tuple[Objective, ...] = ("causal", "masked")


class PretrainSettings(Section):
    """What both objectives need: the model's shape, the optimizer, the schedule, and what to do how often."""

    layers: int = Field(ge=1, description="transformer blocks")
    heads: int = Field(ge=1, description="attention heads per block; divides width")
    width: int = Field(ge=8, description="size of a hidden state")
    dropout: float = Field(ge=0, lt=1, description="share of hidden values and attention weights zeroed in training")

    initialization: str = "normal"  # each objective has its own

    optimizer: Literal["muon", "adamw"] = Field(description="for the hidden matrices; AdamW always has the rest")
    learning_rate: float = Field(gt=0, description="the highest rate of the schedule")
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
    mixed_precision: Literal["auto", "no", "bf16"] = Field(
        description="auto: bf16 on GPUs that have it and CPUs with AMX, no elsewhere"
    )
    seed: int = Field(ge=0, lt=2**63, description="of the first weights, the order of rows, dropout and masks")

    log_every_steps: int = Field(ge=1, description="steps between two points of the training loss, each their mean")
    validate_every_steps: int = Field(ge=1, description="steps between two validations; also after the last step")
    validation_rows: int | None = Field(ge=1, description="rows per validation, spread over the split; null: all")
    checkpoint_every_steps: int = Field(ge=1, description="steps between two checkpoints")
    sample_every_steps: int | None = Field(ge=1, description="steps between two samples of text; null: none")
    sample_prompt: str = Field(min_length=1, description="text that a sample continues")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got width {self.width} and heads {self.heads}")
        if self.batch_size < self.gradient_accumulation:
            raise ValueError(
                f"gradient_accumulation cannot cut {self.batch_size} rows (batch_size) into "
                f"{self.gradient_accumulation} parts"
            )
        if self.schedule == "constant" and self.final_lr_fraction != 1:
            raise ValueError(f"final_lr_fraction must be 1 where schedule is constant, got {self.final_lr_fraction}")
        return self


class CausalSettings(PretrainSettings):
    """GPT-2: every token is predicted from those before it (section `pretrain.causal`)."""

    initialization: Literal["normal", "frequencies"] = Field(
        default="normal", description="first weights: GPT-2's own, or an output of the tokens' frequencies"
    )


class MaskedSettings(PretrainSettings):
    """BERT: masked tokens are predicted from all around them (section `pretrain.masked`)."""

    masked_fraction: float = Field(gt=0, le=1, description="share of the positions, end-of-text aside, to be predicted")
    initialization: Literal["normal", "neighbors"] = Field(
        default="normal", description="first weights: BERT's own, or heads that look at the neighboring tokens"
    )

    @model_validator(mode="after")
    def _prompt_has_a_mask(self) -> Self:
        if self.sample_every_steps is not None and "[MASK]" not in self.sample_prompt:
            raise ValueError(f"sample_prompt must hold [MASK], which the model fills in, got {self.sample_prompt!r}")
        return self


SETTINGS: dict[Objective, type[PretrainSettings]] = {"causal": CausalSettings, "masked": MaskedSettings}
