"""What several flows need."""

import urllib.request

import pytest
from huggingface_hub.constants import ENDPOINT


@pytest.fixture(scope="session")
def hub():
    """The real hub, or a skip that says why."""
    request = urllib.request.Request(f"{ENDPOINT}/gpt2/resolve/main/config.json", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=5).close()
    except (OSError, ValueError) as error:
        pytest.skip(f"the model hub is out of reach: {error}")
