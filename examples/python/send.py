"""Sends OpenCV frames to vidchat recv: python send.py [PORT]

Needs numpy and opencv-python. One viewer after another; vidchat send serves any number at once.
"""

import json
import socket
import struct
import sys
import time

import cv2


def send(frames, port=10050):
    """Serves BGR arrays, whose width is a multiple of four, to one viewer after another."""
    listener = socket.create_server(("", port))
    while True:
        viewer = listener.accept()[0]
        try:
            for sequence, frame in enumerate(frames()):
                height, width = frame.shape[:2]
                if sequence == 0:
                    caps = f"video/x-raw, format=BGR, width={width}, height={height}"
                    hello = {"type": "hello", "vidchat": 1, "name": "python", "caps": caps}
                    hello = json.dumps(hello).encode()
                    viewer.sendall(struct.pack("<Q", len(hello)) + hello)
                now = time.time_ns()
                header = struct.pack("<BBHIQQ", 1, 1, 0, sequence, now, now)
                viewer.sendall(struct.pack("<Q", 24 + frame.nbytes) + header + frame.tobytes())
        except OSError:
            print("the viewer left")
        viewer.close()


def camera():
    """The frames of the first camera, 320 pixels wide."""
    capture = cv2.VideoCapture(0)
    while capture.isOpened():
        good, frame = capture.read()
        if not good:
            return
        yield cv2.resize(frame, (320, 320 * frame.shape[0] // frame.shape[1]))


if __name__ == "__main__":
    send(camera, int((sys.argv + ["10050"])[1]))
