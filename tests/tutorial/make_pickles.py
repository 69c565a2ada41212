"""Writes, with this Python and this NumPy, the pickles that the tests of the decoder read.

Prints a line each: name, expected media type or format, width, height, the frame's bytes in
hexadecimal, the pickle in hexadecimal. The bytes of a frame are 0, 1, 2, ... in the order of its
rows, so that a mistake in the order is seen.
"""

import collections
import dataclasses
import datetime
import pickle
import sys
import types

import cv2
import numpy as np

version = "np" + np.__version__.split(".")[0]


def rows(array):
    """The frame as GStreamer lays out raw frames: rows padded to four bytes."""
    out = b""
    for row in array:
        row = np.ascontiguousarray(row).tobytes()
        out += row + bytes(-len(row) % 4)
    return out


def show(name, caps, width, height, frame, thing):
    for protocol in range(6):
        pickled = pickle.dumps(thing, protocol)
        print(f"{version}-p{protocol}-{name}", caps, width, height, frame.hex(), pickled.hex())


def numbers(*shape):
    return (np.arange(np.prod(shape)) % 256).astype(np.uint8).reshape(shape)


@dataclasses.dataclass
class Packet:
    """A frame with its time, as people send it."""

    frame: object
    time: float


Named = collections.namedtuple("Named", "time frame")


for name, caps, array in [
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
    show(name, caps, width, height, rows(array), array)

frame = numbers(4, 4, 3)
for suffix, caps in [(".jpg", "image/jpeg"), (".png", "image/png")]:
    encoded = cv2.imencode(suffix, frame)[1]
    show("encoded" + suffix, caps, 0, 0, encoded.tobytes(), encoded)
    show("column" + suffix, caps, 0, 0, encoded.tobytes(), encoded.reshape(-1, 1))
    show("tuple" + suffix, caps, 0, 0, encoded.tobytes(), (encoded, 12.5, None))
show("tuple", "GRAY8", 5, 2, rows(numbers(2, 5)), (numbers(2, 5), "text", True))

# The frame beside other data, as programs of the tutorial's family send it.
gray = numbers(2, 5)
png = cv2.imencode(".png", gray)[1]
now = datetime.datetime(2024, 2, 29, 12, 30, 15, 5, datetime.timezone.utc)
for name, thing in [
    ("named", ("camera 1", gray)),
    ("timed", (1709209815.25, gray)),
    ("list", [gray]),
    ("dict", {"frame": gray, "time": now, "count": np.int64(7), "score": np.float32(0.5)}),
    ("nested", {"cameras": [None, ("left", [gray])], "day": now.date(), "id": 1 << 70}),
    ("boxes", [gray, np.array([[1, 2, 30, 40]]), np.array([0.9]), np.array([], np.uint8)]),
    ("booleans", (np.bool_(True), gray, gray > 3, {"a"}, frozenset([1]), 2 + 1j)),
    ("twice", [gray, {"again": gray}]),
    ("ordered", collections.OrderedDict(name="x", frame=gray)),
    ("deque", collections.deque([gray], 4)),
    ("dataclass", Packet(gray, 12.5)),
    ("namedtuple", Named(12.5, gray)),
    ("namespace", types.SimpleNamespace(frame=gray, took=datetime.timedelta(seconds=2))),
    ("objects", np.array(["camera 1", gray, None], dtype=object)),
    ("texts", ("\u00e9\u20ac\U0001f4f7\\ud800\n\ud800", gray, b"", b"\xff\xd8", bytearray(b"abc"))),
]:
    show(name, "GRAY8", 5, 2, rows(gray), thing)
for name, thing in [
    ("bytes", png.tobytes()),
    ("bytearray", bytearray(png.tobytes())),
    ("bytes-in-dict", {"time": np.datetime64("2024-02-29T12:30"), "image": png.tobytes()}),
    ("array-in-list", ["camera 1", png, (2, 5)]),
]:
    show(name, "image/png", 0, 0, png.tobytes(), thing)
sys.stdout.flush()
