"""A client that behaves as the tutorial's: client.py PORT FRAMES [show|stall]

Takes FRAMES frames, draws on the last one, and prints its shape and the SHA-256 of its bytes before
that. Where the environment has ROWS, only so many of its first rows count. With "show" each frame
goes to a window, as in the tutorial. With "stall" it stops reading after the first frame, until its
standard input ends. Any warning is an error.
"""

import hashlib
import os
import pickle
import socket
import struct
import sys
import warnings

import cv2

warnings.simplefilter("error")
port, count = int(sys.argv[1]), int(sys.argv[2])
mode = sys.argv[3] if len(sys.argv) > 3 else ""

client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client_socket.connect(("127.0.0.1", port))
data = b""
payload_size = struct.calcsize("Q")
for number in range(count):
    while len(data) < payload_size:
        packet = client_socket.recv(4 * 1024)
        if not packet:
            break
        data += packet
    packed_msg_size = data[:payload_size]
    data = data[payload_size:]
    msg_size = struct.unpack("Q", packed_msg_size)[0]
    while len(data) < msg_size:
        data += client_socket.recv(4 * 1024)
    frame_data = data[:msg_size]
    data = data[msg_size:]
    frame = pickle.loads(frame_data)
    if mode == "show":
        cv2.imshow("RECEIVING VIDEO", frame)
        if cv2.waitKey(1) & 0xFF == ord("q"):
            break
    if mode == "stall":
        print("stalled", flush=True)
        sys.stdin.read()
        break
digest = hashlib.sha256(frame[: int(os.environ.get("ROWS", "9999"))].tobytes()).hexdigest()
assert frame.flags.c_contiguous and frame.dtype == "uint8"
cv2.putText(frame, "drawn", (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255))
client_socket.close()
print(*frame.shape, digest, flush=True)
