"""Whatever a store's client raises, a user reads one line with the address and the way out."""

import pytest
from fsspec.exceptions import FSTimeoutError

from pipeline.storage.file import NotThereError
from pipeline.storage.place import Place
from pipeline.storage.store_errors import NoBucketError, RefusedError, StoreError, translated
from pipeline.storage.store_reader import describe
from wikilm.errors import RunError, UsageError

URL = "s3://bucket/x"


class NoCredentialsError(Exception):
    """As botocore has one."""


class RepositoryNotFoundError(Exception):
    """As the model hub has one."""


RAISED = [
    (FileNotFoundError("The specified bucket does not exist"), NoBucketError, "no such bucket; make it"),
    (FileNotFoundError("bucket/x"), NotThereError, "no such file or folder"),
    (RepositoryNotFoundError("404"), NotThereError, "no such file or folder"),
    (PermissionError("Forbidden"), RefusedError, "the store refuses it .*AWS_"),
    (NoCredentialsError("Unable to locate credentials"), RefusedError, "the store refuses it .*HF_TOKEN"),
    (FSTimeoutError(), StoreError, "no answer in time; try later"),
    (OSError("line one\nline two"), StoreError, r"fails \(OSError\): line one$"),
    (ValueError(), StoreError, r"fails \(ValueError\): ValueError$"),
]


@pytest.mark.parametrize(("raised", "kind", "told"), RAISED)
def test_an_error_is_one_line_with_the_address(raised, kind, told):
    with pytest.raises(kind, match=rf"^{URL}: .*{told}") as caught:
        raise translated(URL, raised)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_the_signature_of_an_address_is_not_repeated():
    found = translated(URL, OSError("cannot open https://store/x?X-Amz-Signature=secret again"))
    assert "secret" not in str(found)
    assert "again" in str(found)


@pytest.mark.parametrize(
    ("raised", "writing"),
    [
        (FileNotFoundError("The specified bucket does not exist"), UsageError),
        (PermissionError("Forbidden"), UsageError),
        (FileNotFoundError("bucket/x"), FileNotFoundError),
        (FSTimeoutError(), OSError),
    ],
)
def test_a_place_in_a_store_fails_as_a_folder_does_and_a_source_in_one_as_a_run(monkeypatch, raised, writing):
    def fails(*_, **__):
        raise raised

    for name in ("cat_file", "info"):
        monkeypatch.setattr(f"fsspec.implementations.memory.MemoryFileSystem.{name}", fails)
    with pytest.raises(writing, match=r"^memory://x: ") as caught:
        Place("memory://x").read("y")
    assert type(caught.value) is writing
    with pytest.raises(RunError, match=r"^memory://x/y: "):
        describe("memory://x/y")
