"""A long line between two network namespaces: delay.py NAMESPACE NAMESPACE MILLISECONDS

netem is in few kernels, so this makes a tunnel device called `line` in each and hands every
packet over to the other, MILLISECONDS later. TCP is not ended on the way, so it feels the delay as
on a real line; and what is held is what was on the way in that time, no queue. Prints "ready".
"""

import collections
import ctypes
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000


def device(namespace):
    """A tunnel device in a namespace, as its file descriptor."""
    with open(f"/run/netns/{namespace}", "rb") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    # Opened there: a device comes up where the process is.
    line = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(line, TUNSETIFF, struct.pack("16sH22x", b"line", IFF_TUN | IFF_NO_PI))
    return line


def main():
    """Passes packets until it is ended."""
    lines = [device(sys.argv[1]), device(sys.argv[2])]
    delay = float(sys.argv[3]) / 1000
    held = [collections.deque(), collections.deque()]
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        dues = [queue[0][0] for queue in held if queue]
        wait = max(0, min(dues) - now) if dues else None
        for line in select.select(lines, [], [], wait)[0]:
            side = lines.index(line)
            try:
                while True:
                    packet = os.read(line, 65536)
                    held[side].append((time.monotonic() + delay, packet))
            except BlockingIOError:
                pass
            except OSError:
                # It is not up yet.
                time.sleep(0.01)
        now = time.monotonic()
        for side in (0, 1):
            while held[side] and held[side][0][0] <= now:
                try:
                    os.write(lines[1 - side], held[side].popleft()[1])
                except OSError:
                    # The other end is not up: lost, as on a real line.
                    pass


main()
