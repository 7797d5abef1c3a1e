"""Entry point of a local Beam worker process, its log kept off the terminal."""

import gc
import os
import signal
import sys
import threading
import time

from pipeline.run.quiet import quiet

DRIVER = "WIKILM_DRIVER"  # the environment variable that holds the process id of the driver


def end_with(parent: int) -> None:
    """End this process soon after its driver, which may have ended before this began: no worker outlives its driver."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the driver, which tells its workers to stop
    threading.Thread(target=end_with, args=(int(os.environ[DRIVER]),), daemon=True).start()
    with quiet():
        from apache_beam.runners.worker import sdk_worker_main

        import pipeline.flow  # noqa: F401  that all modules are there to be frozen

        gc.freeze()  # as in `run_graph`
        sdk_worker_main.main(sys.argv)
