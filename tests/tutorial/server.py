"""A server that behaves as the tutorial's: server.py PROTOCOL SHAPE

Listens at a free port of 127.0.0.1 and prints it. Sends one client frames for ever: the pickle of a
frame of known bytes, after its length as struct.pack("Q") writes it. SHAPE is bgr, gray, jpeg or
tuple. The tutorial takes its frames from a camera. The bytes of these are known, so that they can
be compared.
"""

import pickle
import socket
import struct
import sys
import time

import cv2
import numpy as np

protocol, shape = int(sys.argv[1]), sys.argv[2]

server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server_socket.bind(("127.0.0.1", 0))
server_socket.listen(5)
print(server_socket.getsockname()[1], flush=True)
client_socket, addr = server_socket.accept()

vdo = (np.arange(66 * 34 * 3) % 251).astype(np.uint8).reshape(34, 66, 3)
if shape == "gray":
    vdo = vdo[:, :, 0].copy()
elif shape == "jpeg":
    vdo = cv2.imencode(".jpg", vdo)[1]
elif shape == "tuple":
    vdo = (cv2.imencode(".png", vdo)[1], time.time())
try:
    while True:
        a = pickle.dumps(vdo, protocol)
        message = struct.pack("Q", len(a)) + a
        client_socket.sendall(message)
        time.sleep(0.02)
except OSError:
    pass
