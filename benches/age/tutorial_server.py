"""The tutorial's server with stamped frames for a camera: tutorial_server.py ADDRESS PORT

What the tutorial does for each frame is done for each: pickle, pack, sendall. The resizing and
the window are not there, which makes it younger.
"""

import pickle
import socket
import struct
import sys

import stamp

server_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server_socket.bind((sys.argv[1], int(sys.argv[2])))
server_socket.listen(5)
client_socket, addr = server_socket.accept()
try:
    for vdo in stamp.camera("bgr"):
        a = pickle.dumps(vdo)
        message = struct.pack("Q", len(a)) + a
        client_socket.sendall(message)
except OSError:
    pass
