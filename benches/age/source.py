"""Stamped frames, thirty a second, to standard output: source.py LAYOUT [FPS]"""

import os
import sys

import stamp

# Below the size of a frame, so that no whole frame can wait in the pipe.
for taken in stamp.camera(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 30.0):
    view = memoryview(taken).cast("B")
    try:
        while view:
            view = view[os.write(1, view) :]
    except OSError:
        break
