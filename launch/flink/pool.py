"""Serve Beam's Python worker pool on 127.0.0.1. Run it with the workers' own Python, by its path.

Beam's `worker_pool_main` listens on every interface, and whoever reaches it can start workers that take code from
anywhere; and SIGTERM ends it without its workers. This pool is the same service on the loopback, and takes its workers
with it. Unlike Beam's own, it gives them no pipe as stdout that nobody reads.
"""

import argparse
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import grpc  # type: ignore[import-untyped]
from apache_beam.portability.api import beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer
from apache_beam.utils import thread_pool_executor

PINGS = [("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0)]  # as Beam's own pool has them


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    server = grpc.server(thread_pool_executor.shared_unbounded_instance(), options=PINGS)
    pool = BeamFnExternalWorkerPoolServicer(use_process=True)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.add_insecure_port(f"127.0.0.1:{port}")  # raises when the port is taken

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        server.stop(0)
        for process in list(pool._worker_processes.values()):
            process.kill()
        sys.stdout.flush()
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.start()
    print(f"serving at 127.0.0.1:{port}", flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
