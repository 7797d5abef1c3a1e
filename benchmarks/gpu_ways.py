"""Train GPT-2 on synthetic rows in three ways: by our loop, by `transformers.Trainer`, and by a plain loop.

Imports no pydantic and no pyarrow, since a machine that only measures may have neither.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from benchmarks.plain_gpt import PlainGPT, Shape
from train.loop import Training
from train.plan.batch import Ints, Order

RATE = 3e-4  # of all; no figure here depends on it
ROWS = 65_536  # that there are to train on, of random tokens
FOREVER = 10**9  # steps
NOWHERE = Path(tempfile.gettempdir(), "wikilm-synthetic")  # where no checkpoint is ever saved
WARM_UP = 3  # steps of each turn of `Trainer`, which starts afresh each time


@dataclass(frozen=True)
class Setting:
    """Where and on what everything is measured."""

    device: torch.device
    shape: Shape
    vocabulary: int
    tokens: int  # per row
    backend: str  # of torch.compile

    @property
    def precision(self) -> str:
        """Of Accelerate and Trainer."""
        return "bf16" if self.device.type == "cuda" else "no"

    def wait(self) -> None:
        """Wait until the device has done all that it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class SyntheticRows:
    """Random tokens in the place of shards."""

    def __init__(self, vocabulary: int, tokens: int) -> None:
        self._ids = np.random.default_rng(0).integers(vocabulary, size=(ROWS, tokens))

    def __len__(self) -> int:
        return len(self._ids)

    def take(self, indices: Ints) -> Ints:
        """[n, tokens], as `wikilm.shards.SplitRows.take`."""
        return self._ids[indices]


def synthetic_plan(setting: Setting, run: Path, masked_fraction: float | None, changes: dict[str, Any]) -> Any:
    """What `train.plan.make_plan` would return, as far as the loop reads it; `changes` are of settings."""
    shape = setting.shape
    settings = _Off(**{
        "layers": shape.layers, "heads": shape.heads, "width": shape.width, "dropout": 0.0, "optimizer": "adamw",
        "learning_rate": RATE, "adamw_lr_fraction": 0.25, "weight_decay": 0.1, "clip_norm": 1.0, "schedule": "constant",
        "warmup_fraction": 0.0, "final_lr_fraction": 1.0, "batch_size": shape.batch_size, "gradient_accumulation": 1,
        "compile": "auto", "seed": 0, "log_every_steps": 10, "validation_rows": 2 * shape.batch_size + 1,
        "shape": (shape.layers, shape.heads, shape.width), "mixed_precision": setting.precision,
        "initialization": "normal",
        "architecture": "bert" if masked_fraction else "gpt2",
    } | changes)  # fmt: skip
    tokenizer = SimpleNamespace(vocab_size=setting.vocabulary, end_of_text_id=0, mask_id=1)
    rows = SyntheticRows(setting.vocabulary, setting.tokens)
    NOWHERE.mkdir(exist_ok=True)
    (NOWHERE / "tokenizer.json").write_text("{}")  # its tokens stand for no bytes that could be counted
    return _Off(
        tokenizer_folder=NOWHERE,
        objective="causal" if masked_fraction is None else "masked",
        settings=settings, masked_fraction=masked_fraction, run=run, start=None, validation={},
        planned_steps=FOREVER, last_step=FOREVER,
        manifest=SimpleNamespace(tokenizer=tokenizer, chunk_tokens=setting.tokens),
        shards=SimpleNamespace(rows=lambda split: rows), order=Order(ROWS, settings.batch_size, settings.seed),
    )  # fmt: skip


class _Off(SimpleNamespace):
    """Values by name; those that are not given are off."""

    def __getattr__(self, name: str) -> None:
        return None


class Ours:
    """`python -m train`, its loop, feed and thread as they are."""

    def __init__(
        self, setting: Setting, run: Path = NOWHERE, masked_fraction: float | None = None, **changes: Any
    ) -> None:
        """Make a GPT-2, or a BERT that a share of the tokens is hidden from; `changes` are of settings."""
        self._setting = setting
        plan = synthetic_plan(setting, run, masked_fraction, changes)
        self.training = Training(plan, Accelerator(cpu=setting.device.type == "cpu", mixed_precision=setting.precision))

    def __call__(self, steps: int) -> float:
        """Train so many steps; return seconds for each."""
        self._setting.wait()
        first, start = self.training.progress.step, time.perf_counter()
        for step in range(first + 1, first + steps + 1):
            self.training._step(step)
        self.training._read_losses()
        self._setting.wait()
        return (time.perf_counter() - start) / steps

    def close(self) -> None:
        """End its threads."""
        self.training.prefetch.__exit__(None, None, None)
        self.training.saver.__exit__(None, None, None)


class Plain:
    """A model and a loop as nanoGPT has them: bf16 by autocast, compiled, the next batch copied beside the step."""

    def __init__(self, setting: Setting, vocabulary: int) -> None:
        self._setting, self._vocabulary = setting, vocabulary
        torch.manual_seed(0)
        model = PlainGPT(vocabulary, setting.tokens, setting.shape).to(setting.device)
        self._model = torch.compile(model, backend=setting.backend)
        groups = [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95), fused=True)
        self._rows = SyntheticRows(setting.vocabulary, setting.tokens + 1)  # so that it, too, sees whole rows
        self._random = np.random.default_rng(0)

    def __call__(self, steps: int) -> float:
        """Train so many steps; return seconds for each."""
        self._setting.wait()
        start, batch = time.perf_counter(), self._batch()
        is_cuda = self._setting.device.type == "cuda"
        for _ in range(steps):
            with torch.autocast("cuda", torch.bfloat16) if is_cuda else nullcontext():
                loss = self._model(batch[:, :-1], batch[:, 1:])
            batch = self._batch()
            loss.backward()
            nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
        loss.item()  # nanoGPT reads it every tenth step
        self._setting.wait()
        return (time.perf_counter() - start) / steps

    def _batch(self) -> torch.Tensor:
        chosen = self._random.integers(len(self._rows), size=self._setting.shape.batch_size)
        ids = torch.from_numpy(self._rows.take(chosen))
        if self._setting.device.type == "cuda":
            return ids.pin_memory().to(self._setting.device, non_blocking=True)
        return ids


class Recipe:
    """The recipe of transformers' course and examples: `Trainer` with bf16 and fused AdamW."""

    def __init__(self, setting: Setting, compiled: bool) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        shape = setting.shape
        size = {"n_layer": shape.layers, "n_head": shape.heads, "n_embd": shape.width}
        none = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
        config = GPT2Config(
            vocab_size=setting.vocabulary, n_positions=setting.tokens, bos_token_id=0, eos_token_id=0, **size, **none
        )
        self._model, self._setting, self._compiled = GPT2LMHeadModel(config), setting, compiled
        self._rows = _Examples(SyntheticRows(setting.vocabulary, setting.tokens))

    def __call__(self, steps: int) -> float:
        """Train so many steps, and a few before; return seconds for each."""
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, default_data_collator

        ended: list[float] = []
        wait = self._setting.wait

        class Clock(TrainerCallback):
            def on_step_end(self, *args: Any, **more: Any) -> None:
                if len(ended) in (WARM_UP - 1, WARM_UP + steps - 1):
                    wait()
                ended.append(time.perf_counter())

        with _state_of_its_own(), tempfile.TemporaryDirectory() as folder:
            compiling = (
                {"torch_compile": True, "torch_compile_backend": self._setting.backend} if self._compiled else {}
            )
            arguments = TrainingArguments(
                output_dir=folder, use_cpu=self._setting.device.type == "cpu", bf16=self._setting.precision == "bf16",
                optim="adamw_torch_fused", report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
                max_steps=steps + WARM_UP, per_device_train_batch_size=self._setting.shape.batch_size,
                learning_rate=RATE, weight_decay=0.1, **compiling,
            )  # fmt: skip
            trainer = Trainer(
                self._model,
                arguments,
                data_collator=default_data_collator,
                train_dataset=self._rows,
                callbacks=[Clock()],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return (ended[-1] - ended[WARM_UP - 1]) / steps


class _Examples(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    def __init__(self, rows: SyntheticRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.from_numpy(self._rows.take(np.array([index]))[0])
        return {"input_ids": ids, "labels": ids}


@contextmanager
def _state_of_its_own() -> Iterator[None]:
    """Let `Trainer` make an Accelerator with other settings, which all of a process share otherwise."""
    state, environment = dict(AcceleratorState._shared_state), dict(os.environ)
    AcceleratorState._shared_state.clear()
    try:
        yield
    finally:
        AcceleratorState._shared_state.clear()
        AcceleratorState._shared_state.update(state)
        os.environ.clear()
        os.environ.update(environment)
