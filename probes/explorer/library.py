"""Hold what the command line named: models, shards, and how the page asks them. Nothing else is ever opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.model import LoadedModel, load
from probes.settings import FillMaskSettings, GenerationSettings, Machine, TraceSettings
from probes.trace import Index, open_index
from wikilm.errors import UsageError
from wikilm.shards import SPLITS, Origins, ShardFolder, SplitRows, open_checked


@dataclass(frozen=True)
class Shelf:
    """Shards, opened, and the index of them."""

    folder: ShardFolder
    rows: dict[str, SplitRows]  # by split
    origins: Origins
    index: Index | None  # None where none was named, or none has been made


@dataclass(frozen=True)
class Library:
    """All that may be asked, and the settings of the questions, which are those of the command line."""

    models: tuple[LoadedModel, ...]
    shelf: Shelf | None  # None without shards
    fill_mask: FillMaskSettings
    generation: GenerationSettings
    trace: TraceSettings

    def model(self, number: int) -> LoadedModel:
        """Return a model by its place on the command line.

        Raises:
            UsageError: there is none.
        """
        if number >= len(self.models):
            raise UsageError(f"model: there are {len(self.models)}, counted from 0; there is no {number}")
        return self.models[number]


def load_all(names: Sequence[str], machine: Machine) -> tuple[LoadedModel, ...]:
    """Load every model; all stay in memory together.

    Raises:
        UsageError: a model is named twice, or this machine lacks the device.
        RunError: one cannot be loaded.
    """
    again = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if again is not None:
        raise UsageError(f"--model {again}: named twice; name each model once")
    return tuple(load(name, machine) for name in names)


def open_shelf(shards: Path, index: Path | None) -> Shelf:
    """Open shards, and the index of them where there is one.

    Raises:
        RunError: there are no finished shards, they or the index are damaged, or the two do not belong together.
    """
    folder = open_checked(shards)
    opened = open_index(index, shards) if index is not None and index.exists() else None
    origins = opened.origins if opened else Origins(folder.path, folder.manifest)
    return Shelf(folder, {split: folder.rows(split) for split in SPLITS}, origins, opened)
