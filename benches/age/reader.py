"""Reads stamped pictures from standard input and writes their ages: reader.py FORM CSV

It does nothing else, so that no picture waits in the pipe.
"""

import sys

import numpy as np

import record
import stamp

form, path = sys.argv[1:]
size = stamp.WIDTH * stamp.HEIGHT * (3 if form == "bgr" else 1)
whole = size if form == "bgr" else size * 3 // 2
picture = bytearray(whole)
with record.Record(path) as ages:
    while True:
        got, view = 0, memoryview(picture)
        while got < whole:
            count = sys.stdin.buffer.raw.readinto(view[got:])
            if not count:
                sys.exit()
            got += count
        received = stamp.now()
        luma = np.frombuffer(picture, np.uint8, size)
        if form == "bgr":
            luma = luma.reshape(stamp.HEIGHT, stamp.WIDTH, 3)[:, :, 1]
        else:
            luma = luma.reshape(stamp.HEIGHT, stamp.WIDTH)
        ages.add(received, luma)
