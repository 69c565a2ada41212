"""A link with a real rate limit: network namespaces for the sender, a router with tbf, and the
viewer. As root. The names carry the process id.

The limit is at a router of its own and not at the sender's device: there the kernel counts what
is queued as the socket's, and stops sending long before the queue is full (TCP small queues). No
router on the way tells a sender that.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

SENDER, VIEWER = "10.77.0.1", "10.77.1.1"
NEAR, FAR = "10.77.0.254", "10.77.1.254"
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
        self.router = f"vidchat-r-{os.getpid()}"
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
        for name in (self.sender, self.router, self.viewer):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    def make(self):
        for name in (self.sender, self.router, self.viewer):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run(*"ip link add near netns".split(), self.router,
            *"type veth peer name line netns".split(), self.sender)
        if self.delay:
            self.line = subprocess.Popen(
                [sys.executable, HERE / "delay.py", self.router, self.viewer, str(self.delay)],
                stdout=subprocess.PIPE,
            )
            if not self.line.stdout.readline():
                raise OSError("no tunnel devices: is /dev/net/tun there?")
        else:
            run(*"ip link add line netns".split(), self.router,
                *"type veth peer name line netns".split(), self.viewer)
        # One segment a packet, as on a wire: between namespaces they are larger by themselves.
        run("ip", "-n", self.sender, "link", "set", "line", "gso_max_segs", "1")
        run("ip", "netns", "exec", self.router, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        for name, device, address in (
            (self.sender, "line", SENDER), (self.router, "near", NEAR),
            (self.router, "line", FAR), (self.viewer, "line", VIEWER),
        ):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
        for name, gate in ((self.sender, NEAR), (self.viewer, FAR)):
            # By route: a namespace may not choose every algorithm as its default.
            run("ip", "-n", name, "route", "add", "default", "via", gate,
                "congctl", self.congestion)
        if self.shape:
            self.reshape(self.shape)

    def reshape(self, shape):
        """Another limit from now on; "blackhole" loses everything."""
        words = ["blackhole"] if shape == "blackhole" else ["tbf", *shape.split()]
        tc = ["tc", "-n", self.router, "qdisc"]
        try:
            # Keeps what is queued, as a router does.
            run(*tc, "change", "dev", "line", "root", *words)
        except OSError:
            run(*tc, "replace", "dev", "line", "root", *words)

    def sent(self):
        """Bytes that have left the limiter so far."""
        qdiscs = run("tc", "-n", self.router, "-s", "-j", "qdisc", "show", "dev", "line")
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
