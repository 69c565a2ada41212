"""The tutorial's client, which writes the ages in place of showing: tutorial_client.py ADDRESS
PORT CSV"""

import pickle
import socket
import struct
import sys

import record
import stamp

client_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client_socket.connect((sys.argv[1], int(sys.argv[2])))
data = b""
payload_size = struct.calcsize("Q")
with record.Record(sys.argv[3]) as ages:
    while True:
        while len(data) < payload_size:
            packet = client_socket.recv(4 * 1024)
            if not packet:
                sys.exit()
            data += packet
        packed_msg_size = data[:payload_size]
        data = data[payload_size:]
        msg_size = struct.unpack("Q", packed_msg_size)[0]
        while len(data) < msg_size:
            packet = client_socket.recv(4 * 1024)
            if not packet:
                sys.exit()
            data += packet
        frame_data = data[:msg_size]
        data = data[msg_size:]
        frame = pickle.loads(frame_data)
        ages.add(stamp.now(), frame[:, :, 1])
