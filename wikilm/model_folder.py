"""Take a model's folder as input from strangers: nothing in it runs code, leads out of it, or promises what it lacks.

`transformers` obeys what it finds beside the weights: an index may name pickled files or files elsewhere, a config an
attention to be fetched from the hub, a quantization, or 200,000 layers. What is checked here is refused, or not obeyed,
before `from_pretrained` sees it.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wikilm.errors import RunError, reason

TRAINING = "training.json"  # written by training alone: its settings, figures and curves
TOKENIZER = "tokenizer.json"  # copied byte for byte, so that its hash names the shards it fits
TOKENIZER_CONFIG = "tokenizer_config.json"  # names the special tokens
BEST, STEPS = "best", "steps"  # folders in it: the weights of the lowest validation loss, and those of steps on the way
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_config.json"

MOST_JSON = 8_000_000  # bytes of a config, an index or a header: published ones have less than a tenth
MOST_PARTS = 10_000  # layers, heads, experts or labels: published models have hundreds
SPARE_TENSORS = 64  # of a model with few, some are made anew, such as the bias of a head
# Keys by which a config chooses code. Which attention is computed, and by what, is for us to say.
CHOOSES_CODE = re.compile(r"_?(attn|experts)_implementation(_internal)?|auto_map|custom_pipelines|use_kernels")
QUANTIZED = ("quantization_config", "compression_config")
COUNTS_PARTS = re.compile(r"layer|block|head|expert|label|group|stage|depth", re.IGNORECASE)


SAID = 300  # characters of a library's own message that are shown


def told_of(error: Exception) -> str:
    """Return in one line what transformers says of a model that it cannot load."""
    said = reason(error)
    if "ignore_mismatched_sizes" in said:  # which points to a report that is not shown
        return "its weights have other sizes than its config.json says"
    if isinstance(error, LookupError | ArithmeticError):  # whose text alone says nothing
        said = f"its config.json is not understood ({type(error).__name__}: {said})"
    return f"{said[:SAID]}…" if len(said) > SAID else said


@dataclass(frozen=True)
class Weights:
    """The safetensors files of a model, whose headers are sound."""

    path: Path  # the file, or the index that lists the files
    files: tuple[Path, ...]
    tensors: int
    elements: int  # of all tensors


def read_weights(name: str, folder: Path) -> Weights | None:
    """Read the headers of a model's weights; None where there are none.

    Raises:
        RunError: an index that names anything but safetensors files of the folder, or damaged files; `name` is in it.
    """
    if (folder / WEIGHTS).is_file():
        path, names = folder / WEIGHTS, [WEIGHTS]
    elif (folder / INDEX).is_file():
        path, names = folder / INDEX, _listed(folder / INDEX)
    else:
        return None
    if (folder / ADAPTER).exists():
        raise RunError(f"{name}: holds {ADAPTER}, so it is an adapter: merge it into its model, and name that")
    shapes = [shape for file in names for shape in _shapes(folder / file)]
    return Weights(path, tuple(folder / file for file in names), len(shapes), sum(map(math.prod, shapes)))


def read_config(name: str, folder: Path) -> dict[str, Any]:
    """Read a model's config, without what would choose code.

    Raises:
        RunError: it is damaged, quantized, or says no kind of model, or promises more than any model has.
    """
    path = folder / CONFIG
    content = _json(path)
    if not isinstance(content, dict) or not isinstance(content.get("model_type"), str):
        raise RunError(f"{path}: names no model_type, so it is no config of a model")
    _refuse_excess(path, content)
    cleaned: dict[str, Any] = _without_code(content)
    for key in QUANTIZED:
        if any(settings.get(key) for settings in _mappings(cleaned)):
            raise RunError(f"{name}: is quantized ({key} in {CONFIG}): name the model that it was made from")
    return cleaned


def refuse_unbacked(name: str, build: Callable[[], Any], weights: Weights) -> None:
    """Build a model without memory, and refuse it where the weights do not nearly fill it.

    `from_pretrained` would make up what is missing, at any size, and say so only then.

    Args:
        name: how the caller calls the model.
        build: makes the model as its config says; called with torch's meta device as the default.
        weights: what there is.

    Raises:
        RunError: the config promises more than twice the tensors or numbers that there are.
    """
    import torch
    from torch.nn.modules.module import register_module_parameter_registration_hook

    seen: set[Any] = set()
    elements = 0

    def count(module: object, key: str, parameter: Any) -> None:
        nonlocal elements
        if parameter is None or parameter in seen:
            return
        seen.add(parameter)
        elements += parameter.numel()
        # Twice, since a head that is tied to an embedding is made before it is tied.
        if len(seen) > 2 * weights.tensors + SPARE_TENSORS or elements > 2 * weights.elements:
            raise RunError(
                f"{name}: {CONFIG} promises far more than {weights.path.name} holds ({weights.tensors:,} tensors, "
                f"{weights.elements:,} parameters): not a whole model, or two that are mixed"
            )

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            build()
    finally:
        hook.remove()


def _listed(index: Path) -> list[str]:
    """Return the files that an index names, each once."""
    content = _json(index)
    listed = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(listed, dict) or not listed:
        raise RunError(f"{index}: lists no weights; copy or train the model again")
    names = sorted({str(value) for value in listed.values()})
    for name in names:
        if not re.fullmatch(r"[\w][\w.-]*\.safetensors", name, re.ASCII):
            raise RunError(f"{index}: names {name!r}, and weights load from safetensors files of the same folder alone")
        if not (index.parent / name).is_file():
            raise RunError(f"{index.parent / name}: no such file, but {index.name} names it: copy the model again")
    return names


def _shapes(file: Path) -> list[list[int]]:
    """Return the shapes of a file's tensors, whose header is whole, and fits the file's length."""
    from safetensors import SafetensorError, safe_open

    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if length > MOST_JSON:
        raise RunError(f"{file}: is damaged: a header of {length:,} bytes; copy or train the model again")
    try:
        with safe_open(file, framework="numpy") as tensors:
            return [tensors.get_slice(key).get_shape() for key in tensors.keys()]  # noqa: SIM118
    except SafetensorError as error:
        raise RunError(f"{file}: is damaged ({error}); copy or train the model again") from None


def _json(path: Path) -> Any:
    """Read a JSON file of a size that such files have."""
    if path.stat().st_size > MOST_JSON:
        raise RunError(f"{path}: has more than {MOST_JSON:,} bytes, which no such file needs")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: is no JSON ({error}); copy or train the model again") from None


def _without_code(content: Any) -> Any:
    """Return a JSON value without the keys that choose code."""
    if isinstance(content, dict):
        return {key: _without_code(value) for key, value in content.items() if not CHOOSES_CODE.fullmatch(key)}
    return [_without_code(value) for value in content] if isinstance(content, list) else content


def _mappings(content: Any) -> Iterator[dict[str, Any]]:
    """Yield all JSON objects in a JSON value."""
    if isinstance(content, dict):
        yield content
    for value in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from _mappings(value)


def _refuse_excess(path: Path, content: Any) -> None:
    """Raise where a config counts more parts than any model has: some lists grow with them while it is read."""
    for settings in _mappings(content):
        for key, value in settings.items():
            if isinstance(value, int | float) and value > MOST_PARTS and COUNTS_PARTS.search(key):
                raise RunError(f"{path}: {key} is {value}, more than any model has: not a config to be trusted")
