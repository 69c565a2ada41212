"""The tutorial's client, measured: client.py PORT SECONDS

Takes frames for so long, after a second to get going, and prints how many came a second. The
window is not there.
"""

import pickle
import socket
import struct
import sys
import time

port, seconds = int(sys.argv[1]), float(sys.argv[2])
client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client_socket.connect(("127.0.0.1", port))
data = b""
payload_size = struct.calcsize("Q")
begin = time.monotonic() + 1
count = 0
while (now := time.monotonic()) < begin + seconds:
    while len(data) < payload_size:
        data += client_socket.recv(4 * 1024)
    packed_msg_size = data[:payload_size]
    data = data[payload_size:]
    msg_size = struct.unpack("Q", packed_msg_size)[0]
    while len(data) < msg_size:
        data += client_socket.recv(4 * 1024)
    frame_data = data[:msg_size]
    data = data[msg_size:]
    frame = pickle.loads(frame_data)
    count += now >= begin
print("frames", count / seconds, flush=True)
sys.stdin.read()
