"""Have the processes of one machine meet on its loopback, where torch's launcher would listen on every interface."""

import socket
from typing import Any

LOOPBACK = "127.0.0.1"


def meet_on_the_loopback() -> None:
    """Let torch's launcher in this process make its store on the loopback where all processes are on this machine.

    The store has no password, and its constructor takes an address to reach but none to listen on. It does take a
    socket that listens already. Other machines, where there are any, need it as it is.
    """
    from torch.distributed import TCPStore  # type: ignore[attr-defined]
    from torch.distributed.elastic.rendezvous import static_tcp_rendezvous

    class OnLoopback(static_tcp_rendezvous.StaticTCPRendezvous):
        def next_rendezvous(self) -> Any:
            if self._store is None and self.world_size == 1 and self.master_addr == LOOPBACK:  # world: of machines
                server = socket.create_server((LOOPBACK, self.master_port))
                self._store = TCPStore(
                    LOOPBACK, self.master_port, 1, True, self.timeout, multi_tenant=True,
                    master_listen_fd=server.detach(),
                )  # fmt: skip
            return super().next_rendezvous()

    static_tcp_rendezvous.StaticTCPRendezvous = OnLoopback  # type: ignore[misc]
