"""A machine of a training that has fallen silent is noticed, one that has ended or not begun is not missed."""

import socket
from pathlib import Path

import pytest

from train.hosts import heartbeat as heartbeat
from train.hosts.heartbeat import INTERFACE, Watch, choose_interface, interface_to, other_machines_watched


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the watch reads, in a list of one."""
    now = [100.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    return now


def test_only_a_machine_whose_count_stands_still_is_gone(clock: list[float]) -> None:
    watch = Watch(0, 4, counts=True)
    watch.hear({1: b"1", 2: b"1"})  # the fourth has not begun
    clock[0] += heartbeat.SECONDS_SILENT - 1
    assert watch.silent() == []
    watch.hear({1: b"2", 2: b"1"})
    clock[0] += 2
    assert watch.silent() == [2]


def test_once_all_have_joined_a_machine_is_missed_that_goes_before_its_first_count(clock: list[float]) -> None:
    watch = Watch(0, 3, counts=True)
    clock[0] += 1000  # of waiting for the others
    watch.hear({1: b"1"})
    watch.expect_all()
    assert watch.silent() == []
    clock[0] += heartbeat.SECONDS_SILENT - 1
    watch.hear({1: b"2"})
    assert watch.silent() == []
    clock[0] += 2
    assert watch.silent() == [2]


def test_a_machine_that_has_ended_is_not_missed(clock: list[float]) -> None:
    watch = Watch(1, 2, counts=False)
    watch.hear({0: b"7"})
    watch.hear({0: b"ended"})
    clock[0] += 1000
    assert watch.silent() == []


def test_machines_count_in_the_store_of_torch_and_say_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(store.port))
    monkeypatch.setattr(heartbeat, "SECONDS_BETWEEN", 0.01)
    with other_machines_watched(Path("run"), {"GROUP_WORLD_SIZE": "2", "GROUP_RANK": "1", "LOCAL_RANK": "0"}):
        first = store.get("wikilm/machine/1")
        while store.get("wikilm/machine/1") == first:
            pass
    assert store.get("wikilm/machine/1") == b"ended"


def test_one_machine_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "Watch", lambda *_: pytest.fail("it was watched"))
    with other_machines_watched(Path("run"), {"GROUP_WORLD_SIZE": "1", "GROUP_RANK": "0"}):
        pass
    with other_machines_watched(Path("run"), {}):
        pass


@pytest.mark.skipif("lo" not in dict(socket.if_nameindex()).values(), reason="the loopback has another name here")
def test_processes_of_one_machine_meet_on_the_loopback_unless_told_otherwise() -> None:
    assert interface_to("127.0.0.1") == interface_to("127.0.1.1") == interface_to("localhost") == "lo"
    assert interface_to("no.such.host.invalid") is None
    chosen: dict[str, str] = {}
    choose_interface(chosen)
    assert chosen == {INTERFACE: "lo"}
    told = {INTERFACE: "eth7"}
    choose_interface(told)
    assert told == {INTERFACE: "eth7"}


def test_several_machines_do_not_meet_on_the_loopback_although_the_first_has_its_name_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    routes = {"node0": "lo", "127.0.0.1": "lo", heartbeat.ELSEWHERE: "eth0", "10.0.0.1": "ib0"}
    monkeypatch.setattr(heartbeat, "interface_to", routes.get)
    for address, name in (("node0", "eth0"), ("10.0.0.1", "ib0")):
        environment = {"GROUP_WORLD_SIZE": "2", "MASTER_ADDR": address}
        choose_interface(environment)
        assert environment[INTERFACE] == name
