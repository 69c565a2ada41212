"""The tutorial's server, measured: server.py RATE

Sends one client a still picture of 320 x 240 so many times a second, or as fast as it goes with
0. Prints its port. What the tutorial does for each frame is done for each: pickle, pack, send;
only the camera and the window are not there.
"""

import pickle
import socket
import struct
import sys
import time

import numpy as np

rate = float(sys.argv[1])
server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server_socket.bind(("127.0.0.1", 0))
server_socket.listen(5)
print("port", server_socket.getsockname()[1], flush=True)
client_socket, addr = server_socket.accept()
vdo = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
due = time.monotonic()
try:
    while True:
        a = pickle.dumps(vdo)
        message = struct.pack("Q", len(a)) + a
        client_socket.sendall(message)
        if rate:
            due += 1 / rate
            time.sleep(max(0, due - time.monotonic()))
except OSError:
    pass
