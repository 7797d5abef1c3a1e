"""Save a run, so that it resumes exactly, and keep the weights that are worth keeping.

States go in; folders that are whole or absent come out. This wing writes into `runs/`, and nowhere else.
"""

from train.saved.checkpoint import (
    CHECKPOINTS_KEPT,
    Checkpoint,
    clear_unfinished,
    newest_checkpoint,
    remove_run,
    take_over,
)
from train.saved.kept import BEST, KEPT, Keeper, load_weights
from train.saved.places import as_os_error, failed_files_told, held
from train.saved.saving import Saver

__all__ = [
    "BEST",
    "CHECKPOINTS_KEPT",
    "KEPT",
    "Checkpoint",
    "Keeper",
    "Saver",
    "as_os_error",
    "clear_unfinished",
    "failed_files_told",
    "held",
    "load_weights",
    "newest_checkpoint",
    "remove_run",
    "take_over",
]
