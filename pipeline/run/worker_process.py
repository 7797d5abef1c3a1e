"""Start local Beam workers as processes; if one dies, the run fails instead of hanging.

Beam's own handler waits forever for the answers of a worker that was killed, and lets workers log to our stderr.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

from apache_beam.portability.api import beam_fn_api_pb2, endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from google.protobuf import json_format, text_format  # type: ignore[import-untyped]

from pipeline.run.worker import DRIVER
from pipeline.unit import failure

URN = "wikilm:env:worker_process:v1"
SECONDS_TO_STOP = 10.0  # a worker that does not stop when told is killed
DIED = (
    "a worker process died (exit status {}), perhaps for lack of memory: take fewer with --direct_num_workers, "
    "or smaller units with --unit-bytes"
)


class WorkerProcess(SubprocessSDKEnvironment):
    """The environment that makes FnApiRunner start our workers."""

    def __init__(self) -> None:
        super().__init__("pipeline.run.worker")

    def to_runner_api_parameter(self, context: object) -> tuple[str, bytes]:
        """Return the URN by which Beam finds the handler below."""
        return URN, self.command_string.encode()


@worker_handlers.WorkerHandler.register_environment(URN, bytes)
class _Handler(worker_handlers.GrpcWorkerHandler):
    """Starts a worker, and answers for it once it is dead."""

    def __init__(self, module: bytes, state: object, provision_info: object, grpc_server: object) -> None:
        super().__init__(state, provision_info, grpc_server)
        self._module = module.decode()
        self._stopped = threading.Event()

    def host_from_worker(self) -> str:
        return "localhost"

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
            "PIPELINE_OPTIONS": json_format.MessageToJson(self.provision_info.provision_info.pipeline_options),
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "WORKER_ID": self.worker_id,
            DRIVER: str(os.getpid()),
        }
        with worker_handlers.SUBPROCESS_LOCK:
            self._process = subprocess.Popen([sys.executable, "-m", self._module], env=environment)
        threading.Thread(target=self._watch, daemon=True).start()

    def stop_worker(self) -> None:
        self._stopped.set()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _watch(self) -> None:
        status = self._process.wait()
        while not self._stopped.wait(0.1):
            for key, future in list(self.control_conn._futures_by_id.items()):
                answer = beam_fn_api_pb2.InstructionResponse(instruction_id=key, error=failure(DIED.format(status)))
                future.set(answer)
