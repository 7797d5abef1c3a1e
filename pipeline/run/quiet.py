"""Keep library logs and warnings off the terminal, where only our own lines help a user."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence logging, warnings and stderr inside, unless WIKILM_TRACEBACK=1 asks for all there is.

    Whoever holds on to the `sys.stderr` of before, such as a progress bar, still reaches the terminal.
    """
    if os.environ.get("WIKILM_TRACEBACK") == "1":
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
