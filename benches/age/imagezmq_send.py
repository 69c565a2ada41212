"""imagezmq's sender as its documents show it: imagezmq_send.py reqrep|pubsub ADDRESS PORT

REQ/REP connects to the hub and waits for a reply to each frame; PUB/SUB is connected to.
"""

import sys

import imagezmq

import stamp

mode, address, port = sys.argv[1:]
if mode == "reqrep":
    sender = imagezmq.ImageSender(connect_to=f"tcp://{address}:{port}")
else:
    sender = imagezmq.ImageSender(connect_to=f"tcp://{address}:{port}", REQ_REP=False)
for image in stamp.camera("bgr"):
    sender.send_image("camera", image)
