"""Programs of the tutorial's family, each as somebody changed the tutorial's own:

    family.py send|recv listen|connect PORT LENGTH SHAPE PROTOCOL|COUNT

send sends frames for ever, recv receives COUNT of them and prints the shape of the last, and its
bytes' SHA-256 or some of its colours. The one that listens takes port 0 and prints the port that it
got. LENGTH is a format of struct.pack, or the width of a length in text. SHAPE says how a frame is
sent, or what is done with it. What they send is known, so that it can be compared.
"""

import collections
import dataclasses
import datetime
import hashlib
import itertools
import os
import pickle
import socket
import struct
import sys
import time
import warnings

import cv2
import numpy as np

warnings.simplefilter("error")
role, side, port, length, shape, count = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
if side == "listen":
    s.bind(("127.0.0.1", int(port)))
    s.listen(10)
    print(s.getsockname()[1], flush=True)
    conn, addr = s.accept()
else:
    s.connect(("127.0.0.1", int(port)))
    conn = s


@dataclasses.dataclass
class Packet:
    frame: object
    sent: float


def jpeg(frame):
    return cv2.imencode(".jpg", frame, [int(cv2.IMWRITE_JPEG_QUALITY), 90])[1]


def png(frame):
    return cv2.imencode(".png", frame)[1]


SHAPES = {
    "array": lambda frame: frame,
    "gray": lambda frame: frame[:, :, 0].copy(),
    "named": lambda frame: ("camera 1", frame),
    "timed": lambda frame: (time.time(), frame),
    "list": lambda frame: [frame, None, np.float64(30.0), [1, 2, 3]],
    "dict": lambda frame: {"frame": png(frame), "time": datetime.datetime.now()},
    "nested": lambda frame: {"cameras": [("left", {"image": frame, "n": np.int64(3)})]},
    "boxes": lambda frame: (frame, np.array([[10, 20, 30, 40]]), np.array([0.9], np.float32)),
    "dataclass": lambda frame: Packet(frame, time.time()),
    "ordered": lambda frame: collections.OrderedDict(id=7, frame=frame),
    "png-array": png,
    "png-column": lambda frame: png(frame).reshape(-1, 1),
    "png-bytes": lambda frame: png(frame).tobytes(),
    "jpeg-array": jpeg,
    "jpeg-bytes": lambda frame: jpeg(frame).tobytes(),
    "jpeg-dict": lambda frame: {"frame": jpeg(frame), "time": datetime.datetime.now()},
    "two": lambda frame: [frame, frame + 1],
    "numbers": lambda frame: frame.tolist(),
    "none": lambda frame: ("camera 1", None, 30),
}


def prefix(number):
    if length.isdigit():
        return str(number).ljust(int(length)).encode()
    return struct.pack(length, number)


def send():
    if shape.startswith("jpeg") or shape == "bare":
        # Bars, whose colours an encoder keeps.
        frame = np.zeros((48, 96, 3), np.uint8)
        frame[:, :32], frame[:, 32:64], frame[:, 64:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    else:
        frame = (np.arange(66 * 34 * 3) % 251).astype(np.uint8).reshape(34, 66, 3)
    while True:
        data = jpeg(frame).tobytes() if shape == "bare" else None
        data = data or pickle.dumps(SHAPES[shape](frame), int(count))
        conn.sendall(prefix(len(data)) + data)
        time.sleep(0.02)


def receive():
    data = b""
    payload_size = int(length) if length.isdigit() else struct.calcsize(length)
    for _ in range(int(count)):
        while len(data) < payload_size:
            packet = conn.recv(4096)
            if not packet:
                raise EOFError
            data += packet
        packed_msg_size = data[:payload_size]
        data = data[payload_size:]
        if length.isdigit():
            msg_size = int(packed_msg_size)
        else:
            msg_size = struct.unpack(length, packed_msg_size)[0]
        while len(data) < msg_size:
            data += conn.recv(4096)
        frame_data = data[:msg_size]
        data = data[msg_size:]
        if shape == "bare":
            frame = np.frombuffer(frame_data, np.uint8)
        else:
            frame = pickle.loads(frame_data, fix_imports=True, encoding="bytes")
        if shape != "array":
            assert frame.ndim == 1 and frame.dtype == "uint8", frame.shape
            frame = cv2.imdecode(frame, cv2.IMREAD_COLOR)
    if shape == "array":
        top = frame[: int(os.environ["ROWS"])]
        print(*frame.shape, hashlib.sha256(top.tobytes()).hexdigest())
    else:
        height, width, _ = frame.shape
        places = [frame[height // 4, width * (2 * bar + 1) // 14] for bar in range(7)]
        print(*frame.shape, *itertools.chain.from_iterable(places))
    sys.stdout.flush()


with s, conn:
    try:
        send() if role == "send" else receive()
    except ConnectionError:
        pass
