"""Training by its command: curves, resume after SIGKILL, several processes, exports, clear errors."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    pipeline,
)

from tests.helpers import ROOT
from tests.helpers.limits import files_of_at_most
from tests.helpers.shards import make_rows, make_shards
from tests.helpers.tokenizers import MASK, SENTENCES, make_tokenizer
from tests.helpers.training import Done, TrainingInputs, environment, record, train
from train.rows import Part
from train.saved.checkpoint import Checkpoint, save_checkpoint
from train.updates import Learner
from wikilm.files import sha256_of
from wikilm.shards.manifest import Manifest, manifest_bytes
from wikilm.shards.reading import read_manifest

pytestmark = pytest.mark.usefixtures("one_cpu_thread")
STEPS = 30  # 24 rows x 5 epochs / 4


@pytest.fixture(scope="module")
def inputs(tiny_shards: Path, tiny_tokenizer: Path) -> TrainingInputs:
    return TrainingInputs(tiny_shards, tiny_tokenizer)


def result(done: Done | subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return json.loads(done.stdout.splitlines()[-1])


def hashes(folder: Path) -> dict[str, str]:
    """Of every file in a folder and below it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def causal(inputs: TrainingInputs, one_cpu_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed causal run."""
    folder = tmp_path_factory.mktemp("causal")
    (folder / "done.json").write_text(json.dumps(result(train(inputs.arguments(folder)))))
    return folder


@pytest.fixture(scope="module")
def masked(inputs: TrainingInputs, one_cpu_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed masked run."""
    folder = tmp_path_factory.mktemp("masked")
    train(inputs.arguments(folder, "masked"))
    return folder


def test_the_last_line_tells_what_came_out(causal: Path, inputs: TrainingInputs) -> None:
    done = json.loads((causal / "done.json").read_text())
    assert done["objective"] == "causal"
    assert done["steps"] == done["planned_steps"] == STEPS
    assert done["tokens"] == STEPS * 4 * 32
    assert done["epochs"] == 5.0
    assert done["seconds"] > 0
    assert done["tokens_per_second"] > 0
    assert done["perplexity"] == pytest.approx(np.exp(done["validation_loss"]))
    assert done["lowest_validation_loss"] <= done["validation_loss"] < np.log(400)
    assert done["output"] == str(causal / "model")


def test_the_curve_has_a_point_wherever_one_is_due_and_the_loss_falls(causal: Path) -> None:
    history = record(causal)["history"]
    losses = {point["step"]: point["loss"] for point in history if "loss" in point}
    assert sorted(losses) == [4, 8, 12, 16, 20, 24, 28, 30]
    assert losses[30] < losses[4] - 0.5
    assert [point["step"] for point in history if "validation_loss" in point] == [10, 20, 30]
    assert [point["step"] for point in history if "sample" in point] == [20, 30]
    assert record(causal)["mean_loss"] == pytest.approx(
        (4 * sum(loss for step, loss in losses.items() if step < 30) + 2 * losses[30]) / STEPS
    )


def test_dvclive_has_the_same_curve(causal: Path) -> None:
    metrics = causal / "metrics" / "model"
    rows = (metrics / "plots" / "metrics" / "loss.tsv").read_text().split("\n")[1:]
    told = {int(row.split("\t")[0]): float(row.split("\t")[1]) for row in rows if row}
    assert told == {p["step"]: p["loss"] for p in record(causal)["history"] if "loss" in p}
    summary = json.loads((metrics / "metrics.json").read_text())
    assert summary["validation_loss"] == record(causal)["validation_loss"]
    assert set(summary) == {"loss", "validation_loss", "perplexity", "bits_per_byte", "learning_rate", "step"}
    assert summary["step"] == STEPS


def test_no_clock_is_in_what_is_exported(causal: Path) -> None:
    text = (causal / "model" / "training.json").read_text() + (causal / "model" / "README.md").read_text()
    assert "second" not in text


def test_no_clock_is_in_the_curves_that_dvc_hashes(causal: Path) -> None:
    curves = {path.removesuffix(".tsv") for path in hashes(causal / "metrics" / "model" / "plots")}
    named = {"loss", "validation_loss", "perplexity", "bits_per_byte", "learning_rate"}
    assert curves == {f"metrics/{name}" for name in named}


def test_without_dvclive_a_note_says_that_there_are_no_curves_and_the_model_is_the_same(
    causal: Path, inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.progress.trackers.is_dvclive_available", lambda: False)
    done = train(inputs.arguments(tmp_path))
    assert f"dvclive is not installed, so it writes no curves into {tmp_path / 'metrics' / 'model'}" in done.stderr
    assert not (tmp_path / "metrics").exists()
    assert hashes(tmp_path / "model") == hashes(causal / "model")


def test_a_finished_run_leaves_its_model_and_no_resume_state(causal: Path) -> None:
    assert names(causal) == ["done.json", "metrics", "model", "params.yaml", "runs"]
    assert names(causal / "runs") == []


def test_the_same_run_gives_the_same_bytes(causal: Path, inputs: TrainingInputs, tmp_path: Path) -> None:
    train(inputs.arguments(tmp_path))
    assert hashes(tmp_path / "model") == hashes(causal / "model")
    assert hashes(tmp_path / "metrics") == hashes(causal / "metrics")


def test_transformers_loads_the_causal_model(causal: Path) -> None:
    model, info = AutoModelForCausalLM.from_pretrained(causal / "model", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.n_positions == 32
    generate = pipeline("text-generation", model=str(causal / "model"))
    ids = generate("The river", max_new_tokens=4, do_sample=False, return_tensors=True)[0]["generated_token_ids"]
    prompt = AutoTokenizer.from_pretrained(causal / "model")("The river")["input_ids"]
    assert ids[: len(prompt)] == prompt
    assert len(ids) > len(prompt)


def test_the_shortest_call_of_a_pipeline_writes_as_far_as_the_context_reaches(causal: Path) -> None:
    """256 new tokens, which pipelines ask for, would be beyond it."""
    [written] = pipeline("text-generation", model=str(causal / "model"))("The river")
    assert written["generated_text"].startswith("The river")
    tokenizer = AutoTokenizer.from_pretrained(causal / "model")
    assert tokenizer.model_max_length == 32
    assert len(tokenizer(SENTENCES[0] * 9, truncation=True)["input_ids"]) == 32


def test_the_usual_collator_keeps_end_of_text_in_the_labels(causal: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(causal / "model")
    texts = [tokenizer(text + tokenizer.eos_token)["input_ids"] for text in ("The river", "The old bridge was built")]
    batch = DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": ids} for ids in texts])
    for ids, labels in zip(texts, batch["labels"].tolist(), strict=True):
        assert labels[: len(ids)] == ids
        assert set(labels[len(ids) :]) <= {-100}
    model = AutoModelForCausalLM.from_pretrained(causal / "model")
    assert model(**batch).loss.isfinite()
    assert model.config.pad_token_id == model.generation_config.pad_token_id == tokenizer.pad_token_id


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_all_files_of_an_export_are_as_readable_as_the_umask_says(
    inputs: TrainingInputs, tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        train([*inputs.arguments(tmp_path), "--max-steps", "1"])
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    modes = {str(path): path.stat().st_mode & 0o777 for path in files}
    assert set(modes.values()) == {0o666 & ~umask}, modes


def test_transformers_loads_the_masked_model(masked: Path) -> None:
    _, info = AutoModelForMaskedLM.from_pretrained(masked / "model", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    guesses = pipeline("fill-mask", model=str(masked / "model"))(f"A river carries{MASK} from the mountains.")
    assert len(guesses) == 5
    assert sum(guess["score"] for guess in guesses) <= 1


def test_the_exported_model_has_the_validation_loss_that_was_told(causal: Path, inputs: TrainingInputs) -> None:
    model = AutoModelForCausalLM.from_pretrained(causal / "model").eval()
    rows = torch.from_numpy(make_rows(inputs.tokenizer, 6, seed=2))
    with torch.no_grad():
        logits = model(rows).logits[:, :-1]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
    assert loss.item() == pytest.approx(record(causal)["validation_loss"], rel=1e-5)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_the_model_card_says_what_the_model_is_and_how_to_use_it(
    objective: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(objective)
    card = (folder / "model" / "README.md").read_text()
    assert "made-up.xml" in card
    assert f"{record(folder)['validation_loss']:.4f}" in card
    assert {"causal": "text-generation", "masked": MASK}[objective] in card
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    assert tokenizer.mask_token == MASK


SIGNALLED = """
import atexit, os, runpy, sys
number, path = int(sys.argv[1]), sys.argv[2]
if not path:  # when all is done, while the interpreter ends
    atexit.register(os.kill, os.getpid(), number)
def hook(event, arguments):
    touched = {"os.rename": 1, "os.remove": 0}.get(event)
    if path and touched is not None and str(arguments[touched]).endswith(path):
        os.kill(os.getpid(), number)
sys.addaudithook(hook)
sys.argv = ["train", *sys.argv[3:]]
runpy.run_module("train", run_name="__main__")
"""


def signalled(number: int, path: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own that gets a signal when a folder is about to get this name, or a file to go."""
    command = [sys.executable, "-c", SIGNALLED, str(int(number)), path, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)


@pytest.mark.parametrize("objective", ["causal", pytest.param("masked", marks=pytest.mark.slow)])
def test_killed_and_started_again_it_gives_the_very_numbers_of_an_undisturbed_run(
    inputs: TrainingInputs, tmp_path: Path, request: pytest.FixtureRequest, objective: str
) -> None:
    undisturbed: Path = request.getfixturevalue(objective)
    arguments = inputs.arguments(tmp_path, objective)
    assert signalled(signal.SIGKILL, "step-00000014", arguments).returncode == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.glob("runs/model/*/step-*")] == ["step-00000007"]
    shutil.rmtree(tmp_path / "metrics")  # as DVC does before it runs a stage again
    again = train(arguments)
    assert "from step 7" in again.stderr
    assert hashes(tmp_path / "model") == hashes(undisturbed / "model")
    assert hashes(tmp_path / "metrics") == hashes(undisturbed / "metrics")


@pytest.mark.slow
def test_asked_to_end_it_saves_first_and_then_goes_on(inputs: TrainingInputs, tmp_path: Path, causal: Path) -> None:
    arguments = inputs.arguments(tmp_path)
    ended = signalled(signal.SIGTERM, "step-00000007", arguments)
    assert ended.returncode == 143
    assert "Traceback" not in ended.stderr
    assert "stopped by SIGTERM, saved at step" in ended.stderr
    train(arguments)
    assert hashes(tmp_path / "model") == hashes(causal / "model")


@pytest.mark.parametrize(
    ("number", "path"),
    [
        pytest.param(signal.SIGTERM, "/model", id="in the export", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "/.model.lock", id="after it"),
        pytest.param(signal.SIGINT, "/.model.lock", id="Ctrl-C after it", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "", id="at the end of the process", marks=pytest.mark.slow),
    ],
)
def test_a_signal_after_the_last_step_ends_nothing_early(
    inputs: TrainingInputs, tmp_path: Path, causal: Path, number: signal.Signals, path: str
) -> None:
    """A finished training whose end looked like a stop would be begun again."""
    arguments = inputs.arguments(tmp_path)
    done = signalled(number, path, arguments)
    assert (done.returncode, result(done)["steps"]) == (0, STEPS), done.stderr
    assert hashes(tmp_path / "model") == hashes(causal / "model")


def before_step(number: int, happens: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something happen when a run is about to learn from the rows of a step."""
    before = Learner.learn

    def learn(self: Learner, step: int, parts: Sequence[Part]) -> tuple[Tensor, bool]:
        if step == number:
            happens()
        return before(self, step, parts)

    monkeypatch.setattr(Learner, "learn", learn)


def test_curves_that_are_removed_in_mid_run_are_written_again(
    inputs: TrainingInputs, tmp_path: Path, causal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_step(17, lambda: shutil.rmtree(tmp_path / "metrics"), monkeypatch)
    done = train(inputs.arguments(tmp_path))
    assert "metrics/model: points are missing from the curves; writing all of them again" in done.stderr
    assert hashes(tmp_path / "metrics") == hashes(causal / "metrics")


@pytest.mark.parametrize(("named", "what"), [("mask_token", "a mask token"), ("eos_token", "an end-of-text token")])
def test_a_tokenizer_that_names_other_special_tokens_is_refused_before_the_first_step(
    inputs: TrainingInputs, tmp_path: Path, named: str, what: str
) -> None:
    other = Path(shutil.copytree(inputs.tokenizer, tmp_path / "other"))
    config = json.loads((other / "tokenizer_config.json").read_text())
    del config[named]
    (other / "tokenizer_config.json").write_text(json.dumps(config))
    (other / "special_tokens_map.json").unlink(missing_ok=True)
    for objective in ("causal", "masked"):
        arguments = TrainingInputs(inputs.shards, other).arguments(tmp_path / objective, objective)
        assert_fails(arguments, 2, f"other/tokenizer_config.json: does not name {what} of id", "restore it")


def test_a_checkpoint_that_cannot_be_written_is_told_with_the_step_to_go_on_from(
    inputs: TrainingInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: Path, checkpoint: Checkpoint) -> None:
        if checkpoint.step == 14:
            raise OSError(errno.EROFS, "Read-only file system", str(run))
        save_checkpoint(run, checkpoint)

    monkeypatch.setattr("train.saved.saving.save_checkpoint", refuse)
    told = "Read-only file system: ", "the same command goes on from step 7"
    assert_fails(inputs.arguments(tmp_path), 1, *told)


def test_stopped_early_it_exports_and_later_goes_on_to_the_same_end(
    inputs: TrainingInputs, tmp_path: Path, causal: Path
) -> None:
    arguments = inputs.arguments(tmp_path)
    early = result(train([*arguments, "--max-steps", "9"]))
    assert (early["steps"], early["planned_steps"]) == (9, STEPS)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "model").config.n_layer == 2
    too_early = train([*arguments, "--max-steps", "5"], status=2)
    assert "--max-steps 5: this run stands at step 9 already" in too_early.stderr
    train(arguments)
    assert hashes(tmp_path / "model") == hashes(causal / "model")


def test_other_settings_are_another_run(inputs: TrainingInputs, tmp_path: Path) -> None:
    train([*inputs.arguments(tmp_path), "--max-steps", "4"])
    other = [*inputs.arguments(tmp_path, learning_rate=0.01, batch_size=5), "--max-steps", "4"]
    (first,) = names(tmp_path / "runs" / "model")
    refused = train(other, status=2).stderr
    assert "batch_size 4 there, 5 here; learning_rate 0.02 there, 0.01 here" in refused
    assert f"--remove {first}\n" in refused
    done = train([*other, "--fresh"])
    assert "from scratch" in done.stderr
    assert f"left behind in {tmp_path / 'runs' / 'model'}: {first}: step 4 of 30" in done.stderr
    assert f"python -m train.runs {tmp_path / 'runs' / 'model'} --remove {first} removes it\n" in done.stderr
    assert len(names(tmp_path / "runs" / "model")) == 2


def test_how_often_something_is_told_may_change_in_the_midst_of_a_run(
    inputs: TrainingInputs, tmp_path: Path, causal: Path
) -> None:
    train([*inputs.arguments(tmp_path), "--max-steps", "9"])
    told = {"log_every_steps": 3, "validate_every_steps": 7, "validation_rows": 2, "checkpoint_every_steps": 4}
    done = train(inputs.arguments(tmp_path, **told, sample_every_steps=None, sample_prompt="Copper"))
    assert "from step 9" in done.stderr
    assert sha256_of(tmp_path / "model" / "model.safetensors") == sha256_of(causal / "model" / "model.safetensors")


def test_fresh_begins_the_same_run_anew(inputs: TrainingInputs, tmp_path: Path, causal: Path) -> None:
    train([*inputs.arguments(tmp_path), "--max-steps", "9"])
    assert "from scratch" in train([*inputs.arguments(tmp_path), "--fresh"]).stderr
    assert hashes(tmp_path / "model") == hashes(causal / "model")


def test_more_epochs_go_on_from_the_end_of_a_run_that_was_kept(inputs: TrainingInputs, tmp_path: Path) -> None:
    train([*inputs.arguments(tmp_path, epochs=2), "--keep-run"])
    weights = sha256_of(tmp_path / "model" / "model.safetensors")
    assert "from step 12" in train([*inputs.arguments(tmp_path, epochs=2), "--keep-run"]).stderr
    assert sha256_of(tmp_path / "model" / "model.safetensors") == weights
    done = train([*inputs.arguments(tmp_path, epochs=3), "--max-steps", "15"])
    assert "goes on from step 12, the end of a run of 2 epochs, whose schedule has ended at a rate of" in done.stderr
    assert "from step 12 to step 15 of 18" in done.stderr
    done = train(inputs.arguments(tmp_path, epochs=3))
    assert "from step 15" in done.stderr
    assert record(tmp_path)["continues"] == [12]
    assert not names(tmp_path / "runs")


def test_without_a_schedule_more_epochs_are_the_same_run(inputs: TrainingInputs, tmp_path: Path) -> None:
    flat = {"schedule": "constant", "final_lr_fraction": 1.0, "warmup_fraction": 0.0}
    train([*inputs.arguments(tmp_path / "a", epochs=1, **flat), "--keep-run"])
    assert "from step 6" in train(inputs.arguments(tmp_path / "a", epochs=2, **flat)).stderr
    train([*inputs.arguments(tmp_path / "c", epochs=2, **flat), "--max-steps", "7"])
    too_few = train(inputs.arguments(tmp_path / "c", epochs=1, **flat), status=2).stderr
    assert "params.yaml: pretrain.causal.epochs: 1 ends at step 6: this run stands at step 7 already" in too_few
    train(inputs.arguments(tmp_path / "b", epochs=2, **flat))
    a, b = (sha256_of(tmp_path / name / "model" / "model.safetensors") for name in "ab")
    assert a == b


def test_a_model_that_no_memory_holds_is_told_in_one_line(inputs: TrainingInputs, tmp_path: Path) -> None:
    advice = "pretrain.causal: out of memory when 28147497671065600 bytes", "set gradient_checkpointing: true"
    assert_fails(inputs.arguments(tmp_path, width=2**44), 1, *advice)
    assert_fails(inputs.arguments(tmp_path, width=2**62), 1, "pretrain.causal: out of memory")


def test_memory_that_is_used_up_in_mid_run_is_told_with_what_takes_less_which_goes_on(
    inputs: TrainingInputs, tmp_path: Path, causal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhaust() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity")

    arguments = inputs.arguments(tmp_path)
    before_step(9, exhaust, monkeypatch)
    assert_fails(arguments, 1, "params.yaml: pretrain.causal: out of memory when 2.50 GiB were asked for: set")
    monkeypatch.undo()
    again = train(inputs.arguments(tmp_path, gradient_checkpointing=True))
    assert "from step 7" in again.stderr
    assert sha256_of(tmp_path / "model" / "model.safetensors") == sha256_of(causal / "model" / "model.safetensors")


def test_curves_that_cannot_be_written(inputs: TrainingInputs, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert_fails([*inputs.arguments(tmp_path), "--metrics", str(tmp_path / "file" / "m")], 1, "file/m", "--metrics")


@pytest.mark.parametrize("flag", ["output", "runs", "metrics"])
@pytest.mark.parametrize("limit", [0, 4000])
def test_what_cannot_be_written_is_told_before_the_first_step(
    inputs: TrainingInputs, tmp_path: Path, flag: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where a folder has to be, or the device has no block left, for which a limit on files stands in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("train.run.train_with", lambda *_: pytest.fail("it began"))
    place = tmp_path / "there" / "model"
    arguments = [*inputs.arguments(tmp_path), f"--{flag}", str(place)]
    if not limit:
        place.parent.write_text("no folder")
        assert_fails(arguments, 1, f"{place}: cannot be written", f"name another --{flag}")
        return
    with files_of_at_most(limit):
        assert_fails(arguments, 1, "cannot be written", "name another --")
    assert not list(tmp_path.rglob(".*"))


def test_a_full_device_at_the_export_keeps_the_run_and_says_how_to_go_on(
    inputs: TrainingInputs, tmp_path: Path, causal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [*inputs.arguments(tmp_path), "--max-steps", "7"]
    train(arguments)
    before = hashes(tmp_path / "model")
    with files_of_at_most(50_000):
        assert_fails(
            arguments, 1, str(tmp_path / "model"), "goes on from step 7", f"--runs {tmp_path / 'runs' / 'model'}"
        )
    assert hashes(tmp_path / "model") == before
    elsewhere = ["--output", str(tmp_path / "elsewhere"), "--runs", str(tmp_path / "runs" / "model")]
    assert "from step 7" in train([*inputs.arguments(tmp_path), *elsewhere]).stderr
    assert hashes(tmp_path / "elsewhere") == hashes(causal / "model")


def test_resume_state_and_curves_go_where_they_are_told(inputs: TrainingInputs, tmp_path: Path) -> None:
    flags = ["--max-steps", "4", "--runs", str(tmp_path / "r"), "--metrics", str(tmp_path / "m")]
    train([*inputs.arguments(tmp_path), *flags])
    assert names(tmp_path) == ["m", "model", "params.yaml", "r"]


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_two_processes_give_the_curve_of_one(inputs: TrainingInputs, tmp_path: Path, objective: str) -> None:
    settings = {"dropout": 0.0, "epochs": 2, "gradient_accumulation": 2}
    train(inputs.arguments(tmp_path / "one", objective, **settings))
    arguments = inputs.arguments(tmp_path / "two", objective, **settings)
    launch = ["accelerate.commands.launch", "--config_file", "launch/multi-gpu.yaml", "-m", "train"]
    command = [sys.executable, "-m", *launch, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=True)
    assert "2 processes, about 2 rows each" in done.stderr
    assert done.stdout.count('"objective"') == 1
    one, two = (record(tmp_path / name)["history"] for name in ("one", "two"))
    for name in ("loss", "validation_loss"):
        curves = [[point[name] for point in history if name in point] for history in (one, two)]
        assert len(curves[0]) >= 2
        assert curves[0] == pytest.approx(curves[1], rel=1e-5)


@pytest.mark.slow  # launches of two processes are in every run of the tests
def test_accelerate_launch_on_one_process_is_the_same_as_the_plain_command(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    launch = ["accelerate.commands.launch", "--quiet", "--config_file", "launch/cpu.yaml", "-m", "train"]
    command = [sys.executable, "-m", *launch, *inputs.arguments(tmp_path), "--max-steps", "3"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=True)
    assert result(done)["steps"] == 3
    wrong = subprocess.run(
        [*command, "--max-steps", "0"], capture_output=True, text=True, cwd=ROOT, env=environment(), check=False
    )
    assert wrong.returncode == 1
    assert wrong.stderr.count("\n") == 1
    assert "must be at least 1" in wrong.stderr


BLOCKER = """
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"apache_beam", "gigatoken", "dvc", "mwparserfromhell", "lxml"}:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv = ["train", *sys.argv[1:]]
runpy.run_module("train", run_name="__main__")
"""


@pytest.mark.slow
def test_it_trains_where_neither_beam_nor_dvc_nor_gigatoken_is_installed(
    inputs: TrainingInputs, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", BLOCKER, *inputs.arguments(tmp_path), "--max-steps", "2"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert "dvclive is not installed, so it writes no curves" in done.stderr
    assert record(tmp_path)["steps"] == 2


# What goes wrong


def copied(inputs: TrainingInputs, folder: Path) -> Path:
    return Path(shutil.copytree(inputs.shards, folder / "shards"))


def rewritten(shards: Path, **changes: object) -> Manifest:
    """A manifest with other values."""
    manifest = Manifest.model_validate(read_manifest(shards).model_dump() | changes)
    (shards / "manifest.json").write_bytes(manifest_bytes(manifest))
    return read_manifest(shards)


def assert_fails(arguments: list[str], status: int, *parts: str) -> None:
    done = train(arguments, status=status)
    reason = done.stderr.splitlines()[-1]
    assert reason.startswith(("train: error:", "python -m train: error:"))
    for part in parts:
        assert part in reason


def test_shards_that_are_not_there(inputs: TrainingInputs, tmp_path: Path) -> None:
    missing = TrainingInputs(tmp_path / "none", inputs.tokenizer)
    assert_fails(
        missing.arguments(tmp_path), 1, "none/manifest.json: no such file", "make them with python -m pipeline"
    )
    assert not (tmp_path / "model").exists()


def test_a_shard_that_was_cut(inputs: TrainingInputs, tmp_path: Path) -> None:
    shards = copied(inputs, tmp_path)
    shard = shards / "train" / "data-00001-of-00002.arrow"
    shard.write_bytes(shard.read_bytes()[:-100])
    arguments = TrainingInputs(shards, inputs.tokenizer).arguments(tmp_path)
    assert_fails(arguments, 1, "data-00001-of-00002.arrow: has", "run python -m pipeline.verify")


def test_a_shard_of_the_right_size_that_is_no_shard(inputs: TrainingInputs, tmp_path: Path) -> None:
    shards = copied(inputs, tmp_path)
    shard = shards / "train" / "data-00000-of-00002.arrow"
    shard.write_bytes(b"\x00" * shard.stat().st_size)
    assert_fails(
        TrainingInputs(shards, inputs.tokenizer).arguments(tmp_path),
        1,
        "data-00000-of-00002.arrow",
        "python -m pipeline.verify",
    )


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_shard_in_which_a_byte_has_changed_is_found_before_the_first_step(
    inputs: TrainingInputs, tmp_path: Path, split: str
) -> None:
    shards = copied(inputs, tmp_path)
    shard = shards / split / "data-00001-of-00002.arrow"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1  # among the token ids: another token, as good as any
    shard.write_bytes(content)
    arguments = TrainingInputs(shards, inputs.tokenizer).arguments(tmp_path)
    assert_fails(arguments, 1, f"{shard}: has sha256", "run python -m pipeline.verify")
    assert not list(tmp_path.glob("runs/model/*/step-*"))


def test_a_batch_larger_than_the_data(inputs: TrainingInputs, tmp_path: Path) -> None:
    train([*inputs.arguments(tmp_path, batch_size=24), "--max-steps", "1"])
    assert_fails(inputs.arguments(tmp_path, batch_size=25), 2, "pretrain.causal.batch_size: 25 rows", "24 to train on")


def test_a_chunk_length_that_is_not_that_of_the_shards(inputs: TrainingInputs, tmp_path: Path) -> None:
    shards = copied(inputs, tmp_path)
    rewritten(shards, chunk_tokens=16)
    arguments = TrainingInputs(shards, inputs.tokenizer).arguments(tmp_path)
    assert_fails(arguments, 1, "not the shard that manifest.json names", "python -m pipeline.verify")


@pytest.mark.parametrize(("split", "remedy"), [("train", "take more articles"), ("validation", "validation_fraction")])
def test_a_split_without_rows(inputs: TrainingInputs, tmp_path: Path, split: str, remedy: str) -> None:
    none = np.zeros((0, 32), dtype=np.int64)
    make_shards(tmp_path / "shards", inputs.tokenizer, **{split: none})
    assert_fails(
        TrainingInputs(tmp_path / "shards", inputs.tokenizer).arguments(tmp_path), 1, f"no rows for {split}", remedy
    )


def test_a_tokenizer_that_is_not_there(inputs: TrainingInputs, tmp_path: Path) -> None:
    arguments = TrainingInputs(inputs.shards, tmp_path / "none").arguments(tmp_path)
    assert_fails(arguments, 2, "none/tokenizer.json: no such file", "python -m pipeline.tokenizer")


def test_a_tokenizer_that_did_not_make_the_shards(inputs: TrainingInputs, tmp_path: Path) -> None:
    make_tokenizer(tmp_path / "other", vocab_size=300)
    arguments = TrainingInputs(inputs.shards, tmp_path / "other").arguments(tmp_path)
    assert_fails(arguments, 2, "other/tokenizer.json: not the tokenizer that made", str(inputs.shards))


def test_a_vocabulary_of_another_size(inputs: TrainingInputs, tmp_path: Path) -> None:
    shards = copied(inputs, tmp_path)
    tokenizer = read_manifest(shards).tokenizer.model_dump()
    rewritten(shards, tokenizer=tokenizer | {"vocab_size": 401})
    arguments = TrainingInputs(shards, inputs.tokenizer).arguments(tmp_path)
    assert_fails(arguments, 2, "400 entries, but", "was made with 401")


def test_an_output_folder_that_holds_something_else(inputs: TrainingInputs, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("mine")
    assert_fails(inputs.arguments(tmp_path), 2, "holds something that is no model of ours", "--output")
    assert (tmp_path / "model" / "thesis.txt").read_text() == "mine"


def test_params_that_are_wrong(inputs: TrainingInputs, tmp_path: Path) -> None:
    assert_fails(inputs.arguments(tmp_path, width=15), 2, "pretrain.causal", "width must be a multiple of heads")
    assert_fails(inputs.arguments(tmp_path, learning_rat=1.0), 2, "learning_rat", "did you mean 'learning_rate'?")
    assert_fails([*inputs.arguments(tmp_path)[:-1], str(tmp_path / "no.yaml")], 2, "no.yaml: no such params file")


@pytest.mark.slow
def test_a_batch_that_the_processes_cannot_share(inputs: TrainingInputs, tmp_path: Path) -> None:
    arguments = inputs.arguments(tmp_path, batch_size=1)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "train", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
    assert done.returncode != 0
    assert done.stderr.count("batch_size: 1 rows cannot be shared by 2 processes") == 1


@pytest.mark.parametrize("flags", [["--max-steps", "x"], ["--objective", "both"], ["--wrong", "1"]])
def test_flags_that_are_wrong(inputs: TrainingInputs, tmp_path: Path, flags: list[str]) -> None:
    assert_fails([*inputs.arguments(tmp_path), *flags], 2, flags[0], "--help")


def test_a_loss_that_is_no_number_any_more(inputs: TrainingInputs, tmp_path: Path) -> None:
    arguments = inputs.arguments(tmp_path, learning_rate=1e6, clip_norm=None, optimizer="adamw")
    assert_fails(arguments, 1, "the loss is", "at step", "lower pretrain.causal.learning_rate (now 1000000.0)")
    assert not (tmp_path / "model").exists()


def test_a_damaged_checkpoint_is_passed_over_and_the_end_is_the_same(
    inputs: TrainingInputs, tmp_path: Path, causal: Path
) -> None:
    arguments = inputs.arguments(tmp_path)
    train([*arguments, "--max-steps", "16"])
    newest = max(tmp_path.glob("runs/model/*/step-*"))
    assert newest.name == "step-00000016"
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x80?")
    done = train(arguments)
    assert "step-00000016: model.safetensors is not what was written; skipping it" in done.stderr
    assert "from step 14" in done.stderr
    assert hashes(tmp_path / "model") == hashes(causal / "model")


@pytest.mark.parametrize(("limit", "place"), [(6_000, "best/step-00000010"), (58_000, "step-00000014")])
def test_a_full_device_leaves_the_older_checkpoint_and_no_model(
    inputs: TrainingInputs, tmp_path: Path, limit: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files stands in for a full device: 6 kB stop the best weights, 58 kB an optimizer."""
    monkeypatch.chdir(tmp_path)  # out of the repository, whose DVC has a database of its own
    arguments = inputs.arguments(tmp_path)
    train([*arguments, "--max-steps", "7"])
    shutil.rmtree(tmp_path / "model")
    with files_of_at_most(limit):
        advice = f"goes on from step 7; for another --output, add --runs {tmp_path / 'runs' / 'model'}"
        assert_fails(arguments, 1, str(tmp_path), place, "allow larger files (ulimit -f)", advice)
    assert not (tmp_path / "model").exists()
    assert [path.name for path in tmp_path.glob("runs/model/*/step*")] == ["step-00000007"]
    assert "from step 7" in train(arguments).stderr
