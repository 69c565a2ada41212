"""imagezmq's hub as its documents show it: imagezmq_recv.py reqrep|pubsub ADDRESS PORT CSV"""

import sys

import imagezmq

import record
import stamp

mode, address, port, path = sys.argv[1:]
if mode == "reqrep":
    hub = imagezmq.ImageHub(open_port=f"tcp://{address}:{port}")
else:
    hub = imagezmq.ImageHub(open_port=f"tcp://{address}:{port}", REQ_REP=False)
with record.Record(path) as ages:
    while True:
        _, image = hub.recv_image()
        ages.add(stamp.now(), image[:, :, 1])
        if mode == "reqrep":
            hub.send_reply(b"OK")
