"""Writes, with this Python and this NumPy, the pickles that the tests of the decoder read.

Prints a line each: name, expected media type or format, width, height, the frame's bytes in
hexadecimal, the pickle in hexadecimal. The numbers of a picture are 0, 1, 2, ... in the order of
its rows, so that a mistake in the order is seen.
"""

import pickle
import sys

import cv2
import numpy as np

version = "np" + np.__version__.split(".")[0]


def rows(array):
    """The picture as GStreamer lays out raw frames: rows padded to four bytes."""
    out = b""
    for row in array:
        row = np.ascontiguousarray(row).tobytes()
        out += row + bytes(-len(row) % 4)
    return out


def show(name, form, width, height, frame, thing):
    for protocol in range(6):
        pickled = pickle.dumps(thing, protocol)
        print(f"{version}-p{protocol}-{name}", form, width, height, frame.hex(), pickled.hex())


def numbers(*shape):
    return (np.arange(np.prod(shape)) % 256).astype(np.uint8).reshape(shape)


for name, form, array in [
    ("bgr", "BGR", numbers(2, 3, 3)),
    ("gray", "GRAY8", numbers(2, 5)),
    ("gray1", "GRAY8", numbers(2, 5, 1)),
    ("bgra", "BGRA", numbers(2, 3, 4)),
    ("fortran", "BGR", np.asfortranarray(numbers(2, 3, 3))),
    ("flipped", "BGR", numbers(2, 3, 3)[:, ::-1]),
    ("turned", "GRAY8", numbers(5, 2).T),
    ("readonly", "BGR", np.frombuffer(bytes(range(18)), np.uint8).reshape(2, 3, 3)),
]:
    height, width = array.shape[:2]
    show(name, form, width, height, rows(array), array)

picture = numbers(4, 4, 3)
for suffix, form in [(".jpg", "image/jpeg"), (".png", "image/png")]:
    encoded = cv2.imencode(suffix, picture)[1]
    show("encoded" + suffix, form, 0, 0, encoded.tobytes(), encoded)
    show("column" + suffix, form, 0, 0, encoded.tobytes(), encoded.reshape(-1, 1))
    show("tuple" + suffix, form, 0, 0, encoded.tobytes(), (encoded, 12.5, None))
show("tuple", "GRAY8", 5, 2, rows(numbers(2, 5)), (numbers(2, 5), "text", True))
sys.stdout.flush()
