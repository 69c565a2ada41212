"""Shows the video of a vidchat sender with OpenCV: python watch.py HOST [PORT]

Needs numpy and opencv-python. Every frame arrives as a NumPy array, height x width x 3, BGR.
"""

import json
import socket
import struct
import sys

import cv2
import numpy as np


def frames(host, port=10050):
    """Yields the frames of a sender, each as a BGR array that may be written to."""
    stream = socket.create_connection((host, port)).makefile("rwb")
    hello = json.dumps({"type": "hello", "vidchat": 1, "name": "python"}).encode()
    stream.write(struct.pack("<Q", len(hello)) + hello)
    stream.flush()
    caps = {}
    while prefix := stream.read(8):
        message = stream.read(struct.unpack("<Q", prefix)[0])
        if message[:1] == b"{":
            told = json.loads(message)
            if told["type"] == "bye":
                return
            if "caps" in told:
                caps = dict(field.strip().split("=") for field in told["caps"].split(",")[1:])
                caps = {name: value.split(")")[-1] for name, value in caps.items()}
        elif message[0] == 1:
            width, height = int(caps["width"]), int(caps["height"])
            assert caps["format"] == "I420" and width % 8 == 0 and height % 2 == 0, caps
            planes = np.frombuffer(message, np.uint8, offset=24).reshape(height * 3 // 2, width)
            yield cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)


if __name__ == "__main__":
    for frame in frames(sys.argv[1], int((sys.argv + ["10050"])[2])):
        cv2.imshow("RECEIVING VIDEO", frame)
        if cv2.waitKey(1) & 0xFF == ord("q"):
            break
