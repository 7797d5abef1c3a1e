"""Find a pretrained model, in a folder or on the hub: its config.json, and its weights as safetensors.

Nothing is unpickled, and no code that comes with a model is downloaded. What is in the files is checked by
model_folder.py.
"""

from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import list_repo_files, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from wikilm.errors import RunError
from wikilm.model_folder import CONFIG, WEIGHTS, Weights, read_weights

# What a model is made of, at the top of its repository: never a pickle, and none of the exports to other formats.
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
_ELSEWHERE = ["*/*"]
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.h5", "*.msgpack")


def model_folder(name: str, revision: str | None = None) -> Path:
    """Return the folder itself, or a download of what the hub has under that name; its last part is then the commit.

    Args:
        name: a folder, or a model of the hub: NAME or OWNER/NAME.
        revision: a commit, tag or branch of a model of the hub; None for the newest.

    Raises:
        RunError: no such folder, name or revision, or the hub cannot be reached.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if path.exists():
        raise RunError(f"{name}: is a file; name the folder that holds {CONFIG} and the weights")
    if name.startswith((".", "/", "~")) or (len(path.parts) > 1 and path.parent.is_dir()):
        # Said of a path, "the hub has no such model" would mislead, and a hub may have a model of that very name.
        raise RunError(f"{name}: no such folder; train the model first, or give the folder of another or a hub name")
    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=_FILES, ignore_patterns=_ELSEWHERE, etag_timeout=10
            )
        )
    except (HFValidationError, ValueError):
        raise RunError(f"{name}: no such folder, and no hub name either (those are NAME or OWNER/NAME)") from None
    except GatedRepoError:
        raise RunError(f"{name}: the hub asks for consent first: give it there, then set HF_TOKEN") from None
    except RevisionNotFoundError:
        raise RunError(f"{name}: the hub has no revision {revision} of it; name a commit, tag or branch") from None
    except RepositoryNotFoundError:
        raise RunError(f"{name}: no such folder, and the hub has no such model (or it is private)") from None
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise RunError(
            f"{name}: no such folder, and the model hub cannot be reached ({_cause(error)}): "
            "check the name, or the network and HF_ENDPOINT"
        ) from None


def weights_of(name: str, folder: Path) -> Weights:
    """Return what the headers of a model's weights say.

    Args:
        name: of the model, as it was given: it stands in errors.
        folder: where its files lie.

    Raises:
        RunError: it is no model, or its weights are damaged, elsewhere, or pickled only.
    """
    if not (folder / CONFIG).is_file():
        raise RunError(f"{name}: holds no {CONFIG}, so it is no model; train writes one, as does save_pretrained")
    if found := read_weights(name, folder):
        return found
    if any(fnmatch(file, pattern) for file in _file_names(name, folder) for pattern in _PICKLES):
        raise RunError(
            f"{name}: holds pickled weights only, and unpickling runs whatever code is in them: "
            f"convert them to {WEIGHTS} on a machine that trusts them"
        )
    raise RunError(f"{name}: holds no {WEIGHTS}: the training has not ended, or the weights were not copied")


def _cause(error: BaseException) -> str:
    """Return the innermost reason of a failed download, in at most 160 characters."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:160] or type(error).__name__


def _file_names(name: str, folder: Path) -> list[str]:
    """Return the names of the files of a folder, or of the repository that it was downloaded from in part."""
    if not Path(name).is_dir():
        try:
            return list_repo_files(name)
        except Exception:  # noqa: S110 - of the hub's client or one of its two HTTP libraries
            pass  # the hub has gone since: what was downloaded is all there is to see
    return [path.name for path in folder.iterdir()]
