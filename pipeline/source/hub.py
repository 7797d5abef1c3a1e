"""Pin the revision of hf://datasets/OWNER/NAME[@REVISION]/PATH to a commit."""

import logging

from wikilm.errors import RunError, UsageError

EXAMPLE = "hf://datasets/wikimedia/wikipedia/20231101.en"


def pin(url: str) -> str:
    """Ask the hub once which commit a revision is; every worker then reads that one.

    Raises:
        UsageError: this is no address of a dataset of the hub.
        RunError: the hub has no such dataset or revision, or cannot be asked.
    """
    from huggingface_hub import HfApi, HfFileSystem
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries; the last error is told below
    if not url.startswith("hf://datasets/"):
        raise UsageError(f"{url}: is no dataset of the hub; one is {EXAMPLE}")
    try:
        found = HfFileSystem().resolve_path(url)
        repository, revision = getattr(found, "repo_id", ""), getattr(found, "revision", None)
        commit = HfApi().repo_info(repository, repo_type="dataset", revision=revision).sha
    except (RevisionNotFoundError, RepositoryNotFoundError, FileNotFoundError) as error:
        if isinstance(error.__cause__ or error, RevisionNotFoundError):
            raise RunError(f"{url}: the hub has no such revision; name another one after @") from None
        raise RunError(
            f"{url}: the hub has no such dataset, or not for you; one that is not public needs HF_TOKEN"
        ) from None
    except (NotImplementedError, ValueError, TypeError):
        raise UsageError(f"{url}: is no address of the hub; one is {EXAMPLE}") from None
    except Exception as error:  # the library's own, and those of its HTTP client
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise RunError(f"{url}: the hub cannot be asked: {why}; see HF_ENDPOINT") from None
    return f"hf://datasets/{repository}@{commit}/{getattr(found, 'path_in_repo', '')}".rstrip("/")
