"""A link with a real rate limit: two network namespaces, and tbf on the sender's side, so that it
is the sender's TCP that feels it. As root. The names carry the process id."""

import json
import os
import pathlib
import subprocess
import sys
import time

SENDER, VIEWER = "10.77.0.1", "10.77.0.2"
HERE = pathlib.Path(__file__).parent


def run(*words):
    """Runs a command; its complaint is in the error."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Link:
    """Use it with `with`: the namespaces are gone afterwards, whatever happened.

    `shape` is what tbf is told, such as "rate 10mbit burst 32kb latency 50ms"; without it there
    is no limit. `delay` is in milliseconds each way. Linux's default congestion control is
    `cubic`, which fills every queue; some machines have another.
    """

    def __init__(self, shape=None, delay=0, congestion="cubic"):
        self.shape = shape
        self.delay = delay
        self.congestion = congestion
        self.sender = f"vidchat-s-{os.getpid()}"
        self.viewer = f"vidchat-v-{os.getpid()}"
        self.line = None

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.line:
            self.line.kill()
            self.line.wait()
        for name in (self.sender, self.viewer):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    def make(self):
        for name in (self.sender, self.viewer):
            run("ip", "netns", "add", name)
        if self.delay:
            self.line = subprocess.Popen(
                [sys.executable, HERE / "delay.py", self.sender, self.viewer, str(self.delay)],
                stdout=subprocess.PIPE,
            )
            if not self.line.stdout.readline():
                raise OSError("no tunnel devices: is /dev/net/tun there?")
        else:
            run(*"ip link add line netns".split(), self.sender,
                *"type veth peer name line netns".split(), self.viewer)
        for name, address in ((self.sender, SENDER), (self.viewer, VIEWER)):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "line")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", "line", "up")
            # By route: a namespace may not choose every algorithm as its default.
            run("ip", "-n", name, "route", "change", "10.77.0.0/24", "dev", "line",
                "proto", "kernel", "scope", "link", "src", address,
                "congctl", self.congestion)
        if self.shape:
            self.reshape(self.shape)

    def reshape(self, shape):
        """Another limit from now on; "blackhole" loses everything."""
        words = ["blackhole"] if shape == "blackhole" else ["tbf", *shape.split()]
        tc = ["tc", "-n", self.sender, "qdisc"]
        try:
            # Keeps what is queued, as a router does.
            run(*tc, "change", "dev", "line", "root", *words)
        except OSError:
            run(*tc, "replace", "dev", "line", "root", *words)

    def sent(self):
        """Bytes that have left the limiter so far."""
        qdiscs = run("tc", "-n", self.sender, "-s", "-j", "qdisc", "show", "dev", "line")
        return sum(qdisc.get("bytes", 0) for qdisc in json.loads(qdiscs))

    @staticmethod
    def inside(namespace):
        """The words before a command that make it run there."""
        return ["ip", "netns", "exec", namespace]

    def wait_for_listener(self, namespace, port, ended, seconds=10):
        """Until something listens there, without connecting: some take one viewer alone. Not
        after `ended()` has named a program that is no more."""
        until = time.monotonic() + seconds
        wanted = f":{port:04X} "
        while time.monotonic() < until:
            table = run(*self.inside(namespace), "cat", "/proc/net/tcp", "/proc/net/tcp6")
            for entry in table.splitlines():
                words = entry.split()
                if len(words) > 3 and words[3] == "0A" and f"{words[1][-5:]} " == wanted:
                    return
            if gone := ended():
                raise OSError(f"{gone}: ended at once; its log is among the figures")
            time.sleep(0.05)
        raise OSError(f"nothing listens at port {port} after {seconds} s")
