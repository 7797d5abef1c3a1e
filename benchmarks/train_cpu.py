"""Measure what a training step costs on a CPU, beside `transformers.Trainer` and a plain loop in nanoGPT's manner.

    OMP_NUM_THREADS=1 python -m benchmarks.train_cpu --work /tmp/train --vocabulary gpt2

Two shapes are tried on the same rows of the bundled corpus: the laptop preset's GPT-2, and GPT-2 of 124M parameters
with its own vocabulary, which `--vocabulary` names (a folder or a name of the hub; without it the second is left out).
The three train by turns, a few steps each, in a process of its own each, since what `python -m train` asks of the
allocator holds for all of a process. What is compared is CPU seconds of all threads, which a busy machine changes
little, the least of all turns. Each trains by its own habits: ours by the preset's settings, the others by AdamW,
which ours is tried with as well.
nanoGPT's AdamW is fused on CUDA alone, so its loop is tried with the fused one, too. All clip gradients to a norm of 1,
without dropout. They are measured in fp32 and, on a CPU with AMX, in bf16 by autocast as well. `--compile` has torch
compile the models of the plain loops.
"""

import argparse
import multiprocessing
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from benchmarks.laptop_preset import PARAMS, prepared
from benchmarks.plain_gpt import PlainGPT, Shape
from train.hosts.start import has_fast_bf16
from train.plan.plan import Plan, make_plan
from wikilm.params import read_params
from wikilm.shards import SplitRows

RATE = 3e-4  # of the peers' AdamW; no figure here depends on it


LAPTOP = Shape("laptop preset", 1, 4, 192, 16, 6, "muon")
GPT2 = Shape("GPT-2 124M", 12, 12, 768, 4, 2, "adamw")


class Ours:
    """`python -m train`, its loop and feed as they are."""

    def __init__(self, plan: Plan, precision: str) -> None:
        from accelerate import Accelerator

        from train.hosts.memory import keep_freed_memory
        from train.loop import Training

        keep_freed_memory()
        self._training = Training(plan, Accelerator(cpu=True, mixed_precision="bf16" if precision == "bf16" else "no"))

    def __call__(self, steps: int) -> float:
        """Train so many steps; return CPU seconds for each."""
        first, start = self._training.progress.step, time.process_time()
        for step in range(first + 1, first + steps + 1):
            self._training._step(step)
        return (time.process_time() - start) / steps


class Recipe:
    """The recipe of transformers' course and examples: `Trainer`, and the collator for language models."""

    def __init__(self, plan: Plan, shape: Shape, precision: str) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        size = {"n_layer": shape.layers, "n_head": shape.heads, "n_embd": shape.width}
        none = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
        vocabulary, tokens = plan.manifest.tokenizer.vocab_size, plan.manifest.chunk_tokens
        self._model = GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_positions=tokens, **size, **none))
        self._plan, self._shape, self._bf16 = plan, shape, precision == "bf16"
        plan.tokenizer.pad_token = plan.tokenizer.eos_token

    def __call__(self, steps: int) -> float:
        """Train so many steps, and one before; return CPU seconds for each."""
        from transformers import DataCollatorForLanguageModeling, Trainer, TrainerCallback, TrainingArguments

        ended: list[float] = []

        class Clock(TrainerCallback):
            def on_step_end(self, *args: Any, **more: Any) -> None:
                ended.append(time.process_time())

        arguments = TrainingArguments(
            output_dir="/nonexistent", use_cpu=True, report_to=[], save_strategy="no", logging_strategy="no",
            disable_tqdm=True, max_steps=steps + 1, per_device_train_batch_size=self._shape.batch_size,
            learning_rate=RATE, weight_decay=0.1, bf16=self._bf16,
        )  # fmt: skip
        rows = _Rows(self._plan.shards.rows("train"))
        collator = DataCollatorForLanguageModeling(self._plan.tokenizer, mlm=False)
        Trainer(self._model, arguments, data_collator=collator, train_dataset=rows, callbacks=[Clock()]).train()
        return (ended[-1] - ended[0]) / steps


class _Rows(torch.utils.data.Dataset[dict[str, list[int]]]):
    def __init__(self, rows: SplitRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        return {"input_ids": self._rows.take(np.array([index]))[0].tolist()}


class Plain:
    """A GPT-2 and a loop as one writes them by hand: fused attention, all logits at once, AdamW."""

    def __init__(self, plan: Plan, shape: Shape, precision: str, compiled: bool, fused: bool = False) -> None:
        vocabulary, tokens = plan.manifest.tokenizer.vocab_size, plan.manifest.chunk_tokens
        model = PlainGPT(vocabulary, tokens, shape)
        self._model: Any = torch.compile(model) if compiled else model
        groups = [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95), fused=fused)
        self._bf16 = precision == "bf16"
        self._rows, self._batch_size = plan.shards.rows("train"), shape.batch_size
        self._random = np.random.default_rng(0)

    def __call__(self, steps: int) -> float:
        """Train so many steps; return CPU seconds for each."""
        start = time.process_time()
        for _ in range(steps):
            chosen = self._random.integers(len(self._rows), size=self._batch_size)
            ids = torch.from_numpy(self._rows.take(chosen))
            with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
                loss = self._model(ids[:, :-1], ids[:, 1:])
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
            self._optimizer.step()
            loss.item()  # as a loop does that shows it
        return (time.process_time() - start) / steps


def make(work: Path, shape: Shape, vocabulary: int | str) -> Plan:
    """Plan a training of ours that goes on as long as it is asked to."""
    data = prepared(work, vocabulary)
    params = read_params(PARAMS)
    params["pretrain"]["causal"] |= {
        "layers": shape.layers, "heads": shape.heads, "width": shape.width, "batch_size": shape.batch_size,
        "optimizer": shape.optimizer, "epochs": 1000, "clip_norm": 1.0, "initialization": "normal",
    }  # fmt: skip
    (data / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return make_plan(
        objective="causal", params=data / "params.yaml", shards=data / "shards", tokenizer=data / "tokenizer",
        output=data / "model", max_steps=None, runs=data / f"run-{time.time_ns()}", metrics=data / "metrics",
    )  # fmt: skip


ADAMW = "wikilm, AdamW"  # at the laptop shape, whose preset has Muon
WAYS: dict[str, Callable[[Plan, Shape, str, bool], Callable[[int], float]]] = {
    "wikilm": lambda plan, shape, precision, compiled: Ours(plan, precision),
    ADAMW: lambda plan, shape, precision, compiled: Ours(plan, precision),
    "transformers.Trainer": lambda plan, shape, precision, compiled: Recipe(plan, shape, precision),
    "plain loop": Plain,
    "plain loop, fused AdamW": partial(Plain, fused=True),
}


def train_when_asked(end: Connection, name: str, threads: int, *case: Any) -> None:
    """Be the process of one way: train so many steps as come, and answer with CPU seconds for each."""
    work, shape, vocabulary, precision, compiled = case
    torch.set_num_threads(threads)
    if name == ADAMW:
        shape = replace(shape, optimizer="adamw")
    way = WAYS[name](make(work, shape, vocabulary), shape, precision, compiled)
    way(1)  # allocates what stays, and compiles
    end.send(None)
    while steps := end.recv():
        end.send(way(steps))


def compare(args: argparse.Namespace, shape: Shape, vocabulary: int | str, precision: str) -> None:
    """Train by turns and print a table."""
    plan = make(args.work, shape, vocabulary)
    spawn, ends, seconds = multiprocessing.get_context("spawn"), {}, {}
    for name in [name for name in WAYS if name != ADAMW or shape.optimizer != "adamw"]:
        ends[name], end = spawn.Pipe()
        case = (args.work, shape, vocabulary, precision, args.compile)
        spawn.Process(target=train_when_asked, args=(end, name, args.threads, *case), daemon=True).start()
        end.close()  # so that a process that has died is no silence
        ends[name].recv()
        seconds[name] = [0.0] * args.turns
    for turn in range(args.turns):
        for name, end in ends.items():
            end.send(shape.steps)
            seconds[name][turn] = end.recv()
    for end in ends.values():
        end.send(0)
    tokens, ours = shape.batch_size * plan.manifest.chunk_tokens, min(seconds["wikilm"])
    print(
        f"\n{shape.name}, {precision}: {shape.layers} layers of {shape.width}, {plan.manifest.tokenizer.vocab_size} "
        f"entries, {shape.batch_size} rows of {plan.manifest.chunk_tokens} tokens a step; {args.turns} turns of "
        f"{shape.steps} steps"
    )
    print(f"{'':24}{'CPU s a step':>14}{'median':>10}{'tokens/CPU s':>14}{'by wikilm':>12}")
    for name, some in seconds.items():
        least, median = min(some), float(np.median(some))
        print(f"{name:24}{least:14.3f}{median:10.3f}{tokens / least:14,.0f}{least / ours:12.2f}", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """The command `python -m benchmarks.train_cpu`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=Path, help="folder for tokenizers and shards")
    parser.add_argument("--vocabulary", help="GPT-2's tokenizer, for the second shape")
    parser.add_argument("--turns", type=int, default=6, help="of each way (default: 6)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--compile", action="store_true", help="let torch compile the plain loop's model")
    parser.add_argument("--only", choices=("laptop", "gpt2"), help="one shape of the two")
    args = parser.parse_args(argv)
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {args.threads} threads")
    for shape, vocabulary in shapes(args):
        for precision in ("fp32", "bf16") if has_fast_bf16(on_cpu=True) else ("fp32",):
            compare(args, shape, vocabulary, precision)
    print("repeat: python -m benchmarks.train_cpu " + shlex.join(argv or sys.argv[1:]))


def shapes(args: argparse.Namespace) -> Iterator[tuple[Shape, int | str]]:
    """Yield the shapes that are asked for, with the size or the name of their vocabulary."""
    if args.only != "gpt2":
        yield LAPTOP, read_params(PARAMS)["tokenizer"]["vocab_size"]
    if args.only != "laptop" and args.vocabulary:
        yield GPT2, args.vocabulary


if __name__ == "__main__":
    main()
