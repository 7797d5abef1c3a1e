"""Give a finished set of shards its final names, all of it or nothing, and hold the output place until then.

OUTPUT/.unfinished/lock            who is at work (see lock.py)
OUTPUT/.unfinished/<plan>/         where a run works, by the digest of all that decides its bytes (see resume.py)
OUTPUT/.unfinished/<plan>/publishing  from when on what has a final name may be this run's
"""

import contextlib
import json
from collections.abc import Iterator

from pipeline.output.reports import CHOSEN, REDIRECTS, numbered, units_kept
from pipeline.storage import Lock, Place, exclusive
from wikilm.errors import UsageError
from wikilm.shards.format import ARTICLES, CARD, DATASET_DICT, DEAD_LETTERS, MANIFEST, SPLITS

UNFINISHED = ".unfinished"  # a folder that has it was left by a run that did not end well, or is being written
LOCK = f"{UNFINISHED}/lock"
PUBLISHING = "publishing"
FINAL = (*SPLITS, ARTICLES, DATASET_DICT, DEAD_LETTERS, CARD, MANIFEST)


@contextlib.contextmanager
def work_folder(output: Place) -> Iterator[Lock]:
    """Hold an output place. Afterwards what was done of an unfinished run stays in it, and nothing else.

    Raises:
        UsageError: it is no folder, holds what is not ours, or is being written by another run.
    """
    existed = refuse_foreign(output)
    if output.is_local:
        output.path.mkdir(parents=True, exist_ok=True)
    with exclusive(output, LOCK) as lock:
        try:
            yield lock
        finally:
            # What another run has taken over is no more ours to clear.
            if not lock.is_lost and not any(kept(run) for run in _runs(output)):
                _clear(output, existed)


def publish(work: Place, output: Place) -> None:
    """Give all that a run made its final name in `output`, the manifest last; work folders are gone then.

    An earlier set goes first, and of it the manifest first, so that no manifest ever vouches for another run's shards.
    In a folder, files are renamed. In an object store they are copied and removed afterwards, since nothing can be
    renamed there; workers need not know the difference.

    Args:
        work: holds the split folders, what stands beside them, and the manifest.
        output: where they go.
    """
    work.write(PUBLISHING, b"")
    clear_final(output)
    try:
        made = {*work.names(), *work.folders()}
        for name in FINAL[:-1]:
            if name in made:
                output.move_from(work, name)
        for place in (output, *map(output.inside, output.folders())):
            place.sync()
        output.move_from(work, MANIFEST)
        output.sync()
    except BaseException:
        take_back(work, output)
        raise
    with contextlib.suppress(OSError):  # a worker of a dead run may still write there
        _remove_runs(output)


def take_back(work: Place, output: Place) -> None:
    """Undo an interrupted `publish`: what has a final name goes back to where it was made."""
    if PUBLISHING not in work.names():
        return
    output.remove(MANIFEST)
    if output.is_local:
        made = {*work.names(), *work.folders()}
        there = {*output.names(), *output.folders()}
        for name in FINAL[:-1]:
            if name in there - made:  # what both have is an earlier set's here
                work.move_from(output, name)
    clear_final(output)
    work.remove(PUBLISHING)


def kept(work: Place) -> bool:
    """Return whether a work folder holds what a later run can resume from."""
    return bool(units_kept(work) or numbered(work, CHOSEN) or numbered(work, REDIRECTS))


def clear_final(output: Place) -> None:
    """Remove all that has a final name, the manifest first."""
    for name in reversed(FINAL):
        output.remove(name)


def _clear(output: Place, existed: bool) -> None:
    """Remove all that is no finished set; in a store the lock aside, without which another run may begin."""
    if MANIFEST not in output.names():
        clear_final(output)
    _remove_runs(output)
    if output.is_local:
        output.remove(UNFINISHED)
        if not existed and not any(output.path.iterdir()):
            output.path.rmdir()


def _runs(output: Place) -> list[Place]:
    """Return the work folders that there are."""
    return [output.inside(f"{UNFINISHED}/{run}") for run in output.folders(UNFINISHED)]


def _remove_runs(output: Place) -> None:
    for run in output.folders(UNFINISHED):
        output.remove(f"{UNFINISHED}/{run}")


def refuse_foreign(output: Place) -> bool:
    """Return whether there is such a folder; raise UsageError if it is none, or holds what is not ours."""
    if output.is_local and not output.path.is_dir():
        if output.path.is_symlink() or output.path.exists():
            raise UsageError(f"{output}: is not a folder; name another one with --output")
        return False
    names = {*output.names(), *output.folders()}
    ours = UNFINISHED in names or (MANIFEST in names and _is_manifest(output.read(MANIFEST)))
    foreign = names - {*FINAL, UNFINISHED} if ours else names
    if foreign:
        raise UsageError(
            f"{output}: holds something that is not a set of shards ({min(foreign)!r}); "
            "name an empty or new folder with --output"
        )
    return True


def _is_manifest(data: bytes) -> bool:
    """Return whether this is a manifest of ours, of whatever version: other programs have files of that name."""
    try:
        found = json.loads(data)
    except ValueError:
        return False
    return isinstance(found, dict) and {"format", "counts", "shards"} <= found.keys()
