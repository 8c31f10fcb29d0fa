"""The ports that the tests give to their peers."""

from __future__ import annotations

import random
import socket
import subprocess
import sys

from benchmarks.rig.ports import BLOCK, HOST, free_port, free_ports

ASK = "from benchmarks.rig.ports import free_port\nprint(free_port(), flush=True)\ninput()"


def test_one_is_not_given_twice_soon() -> None:
    assert len({free_port() for _ in range(BLOCK // 2)}) == BLOCK // 2


def test_seeding_random_changes_nothing() -> None:
    random.seed(7)
    first = free_port()
    random.seed(7)
    assert free_port() != first


def test_every_process_has_a_block_of_its_own() -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        ports = [free_port()]
        for child in children:
            assert child.stdout is not None
            ports.append(int(child.stdout.readline()))
    finally:
        for child in children:
            child.communicate("\n")
    assert len({port // BLOCK for port in ports}) == len(ports)


def test_neighbours_are_free_and_the_first_is_even() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        first = free_ports(4)
        taken.bind((HOST, first + 4 + 2))
        second = free_ports(4)
    assert first % 2 == second % 2 == 0
    assert not set(range(second, second + 4)) & {*range(first, first + 4), first + 6}


def test_a_port_taken_for_tcp_is_free_for_udp_only() -> None:
    with socket.socket() as taken:
        port = free_port(socket.SOCK_STREAM)
        taken.bind((HOST, port + 1))
        assert free_port(socket.SOCK_DGRAM) == port + 1
        assert free_port() != port + 1
