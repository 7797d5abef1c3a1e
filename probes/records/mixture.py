"""Refuse results that were not made from the models and shards beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.records.made_from import MadeFrom, ModelFiles, hash_model, hash_shards
from probes.records.reading import read_record
from wikilm.errors import RunError


@dataclass(frozen=True)
class _Part:
    made_from: MadeFrom


def read_made_from(path: Path) -> MadeFrom:
    """Return what a result says of its making.

    Raises:
        RunError: it cannot be read, or says nothing of it, or not what it must.
    """
    return read_record(path, _Part, "python -m probes").made_from


def check_results(results: Mapping[Path, Sequence[Path]], shards: Path) -> None:
    """Refuse a result of other models, or of other shards, than those given.

    Args:
        results: each result's file, and the folders of the models that it must be of, in any order.
        shards: the folder of shards that each must be of that was made from any.

    Raises:
        RunError: a result is of something else, or says nothing of its making; it is named, and what differs.
    """
    of_shards = hash_shards(shards)
    folders = dict.fromkeys(folder for of_result in results.values() for folder in of_result)
    hashed = {folder: hash_model(str(folder)) for folder in folders}
    for path, wanted in results.items():
        made = read_made_from(path)
        if made.shards not in (None, of_shards):
            raise RunError(f"{path}: made from other shards than {shards}; make it again with python -m probes")
        left = list(made.models)
        for folder in wanted:
            same = [model for model in left if _files(model) == _files(hashed[folder])]
            if not same:
                raise RunError(
                    f"{path}: {_difference(made.models, hashed[folder])}; make it again with python -m probes"
                )
            left.remove(same[0])
        if left:
            raise RunError(f"{path}: made from {left[0].name!r}, too, which is none of the models of this report")


def _files(model: ModelFiles) -> tuple[str | None, ...]:
    return model.weights, model.config, model.tokenizer


def _difference(found: Sequence[ModelFiles], wanted: ModelFiles) -> str:
    """Say what of a model is not what a result was made from: its whole, or one file of a model of that name."""
    for model in found:
        if model.name == wanted.name:
            kinds = ("weights", "config", "tokenizer")
            pairs = zip(kinds, _files(model), _files(wanted), strict=True)
            other = [kind for kind, ours, theirs in pairs if ours != theirs]
            return f"made from another {' and '.join(other)} than {wanted.name} has now"
    return f"made from {', '.join(repr(model.name) for model in found) or 'no model'}, not from {wanted.name}"
