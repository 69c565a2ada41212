"""Reads stamped frames from standard input and writes their ages: reader.py LAYOUT CSV

It does nothing else, so that no frame waits in the pipe.
"""

import sys

import numpy as np

import record
import stamp

layout, path = sys.argv[1:]
size = stamp.WIDTH * stamp.HEIGHT * (3 if layout == "bgr" else 1)
whole = size if layout == "bgr" else size * 3 // 2
frame = bytearray(whole)
with record.Record(path) as ages:
    while True:
        got, view = 0, memoryview(frame)
        while got < whole:
            count = sys.stdin.buffer.raw.readinto(view[got:])
            if not count:
                sys.exit()
            got += count
        received = stamp.now()
        luma = np.frombuffer(frame, np.uint8, size)
        if layout == "bgr":
            luma = luma.reshape(stamp.HEIGHT, stamp.WIDTH, 3)[:, :, 1]
        else:
            luma = luma.reshape(stamp.HEIGHT, stamp.WIDTH)
        ages.add(received, luma)
