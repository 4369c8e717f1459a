"""Two hosts on one machine: network namespaces of Linux that a cable joins, which can be pulled.

Each has its own loopback, addresses and routes, and reaches nothing but the other; files are common
to both, as on a shared file system. Only root may make them, with Debian's iproute2.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.conftest import missing

CABLE = "cable"
"""What each host calls its end of it."""

NETWORK = "10.99.7"
"""Seen by these two alone."""


class Hosts:
    """Both, by number: 0 and 1."""

    def __init__(self) -> None:
        self.names = [f"reslab-{os.getpid()}-{host}" for host in (0, 1)]
        self.addresses = [f"{NETWORK}.{host + 1}" for host in (0, 1)]

    def start(self) -> None:
        """With the cable plugged in."""
        one, other = self.names
        for name in self.names:
            _ip("netns", "add", name)
        end = ["type", "veth", "peer", "name", CABLE, "netns", other]
        _ip("link", "add", CABLE, "netns", one, *end)
        for name, address in zip(self.names, self.addresses, strict=True):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", CABLE)
            for device in ("lo", CABLE):
                _ip("-n", name, "link", "set", device, "up")

    def on(self, host: int) -> list[str]:
        """What stands before a command that is to run there."""
        return ["ip", "netns", "exec", self.names[host]]

    def pull_the_cable(self, host: int) -> None:
        """Nothing reaches it, nothing leaves it, and nobody is told: no connection is closed."""
        _ip("-n", self.names[host], "link", "set", CABLE, "down")

    def processes(self) -> list[int]:
        """All that run on one or the other."""
        return [int(pid) for name in self.names for pid in _ip("netns", "pids", name).split()]

    def stop(self) -> None:
        """Nothing is left of them."""
        there = set(_ip("netns", "list").split())
        for name in there.intersection(self.names):
            for pid in _ip("netns", "pids", name).split():
                os.kill(int(pid), signal.SIGKILL)
            _ip("netns", "delete", name)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


def _why_not() -> str | None:
    """Why this machine cannot be two."""
    if sys.platform != "linux":
        return "only Linux has network namespaces"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if shutil.which("ip") is None:
        return "no ip here (Debian: iproute2)"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True)
    return f"the kernel gives no network namespaces: {tried.stderr}" if tried.returncode else None


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Two hosts, each of which reaches the other."""
    if reason := _why_not():
        missing(reason)
    made = Hosts()
    try:
        made.start()
        yield made
    finally:
        made.stop()
