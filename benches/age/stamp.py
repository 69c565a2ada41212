"""The time in the frame: a moving picture that carries when it was made, and how it is read.

The first four rows of blocks, 16 by 16 pixels each, are black or white: 48 bits of microseconds,
16 bits of a number that counts frames, 16 bits of a checksum. Blocks of a whole macroblock are
cheap for a codec and survive it. The rest is a texture that drifts, with a bar that moves faster,
so that a codec has work. 320 x 240.
"""

import binascii
import time

import numpy as np

WIDTH, HEIGHT = 320, 240
BLOCK = 16
BITS = 80
ROWS = BITS * BLOCK // WIDTH * BLOCK
WRAP = 1 << 48
# What is between belongs to nobody: black and white as video has them.
BLACK, WHITE = 16, 235


def now():
    """The wall clock, in microseconds, as far as a stamp goes."""
    return time.time_ns() // 1000 % WRAP


def blocks(at, number):
    """The stamp as an array of ROWS x WIDTH luma values."""
    body = at.to_bytes(6, "big") + (number % (1 << 16)).to_bytes(2, "big")
    body += binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big")
    bits = np.unpackbits(np.frombuffer(body, np.uint8)).reshape(-1, WIDTH // BLOCK)
    luma = np.where(bits == 1, WHITE, BLACK).astype(np.uint8)
    return luma.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)


def read(luma):
    """When the frame was made and its number; None where the checksum is wrong."""
    middle = BLOCK // 2
    inside = luma[:ROWS].reshape(ROWS // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK)
    mean = inside[:, middle - 4 : middle + 4, :, middle - 4 : middle + 4].mean(axis=(1, 3))
    body = np.packbits(mean.reshape(-1) > (BLACK + WHITE) / 2).tobytes()
    if binascii.crc_hqx(body[:8], 0xFFFF) != int.from_bytes(body[8:], "big"):
        return None
    return int.from_bytes(body[:6], "big"), int.from_bytes(body[6:8], "big")


def age_of(luma, received):
    """The age in milliseconds of a frame that came at `received`, from now()."""
    stamp = read(luma)
    if stamp is None:
        return None
    # Clocks of one machine, but for a step backwards that somebody sets.
    age = (received - stamp[0] + WRAP // 2) % WRAP - WRAP // 2
    return age / 1000


class Frame:
    """Makes frames of one layout: "i420" as bytes in three planes, "bgr" as rows of triples."""

    def __init__(self, layout):
        self.layout = layout
        self.number = 0
        random = np.random.default_rng(1)
        # Noise at several sizes looks like a scene to a codec: details and slopes.
        texture = np.zeros((HEIGHT, 2 * WIDTH))
        for size, weight in ((80, 90), (20, 50), (4, 25), (1, 6)):
            noise = random.random((HEIGHT // size, 2 * WIDTH // size))
            texture += weight * noise.repeat(size, axis=0).repeat(size, axis=1)
        self.texture = (16 + texture).clip(16, 235).astype(np.uint8)
        slope = np.linspace(96, 160, WIDTH // 2).astype(np.uint8)
        self.chroma = np.tile(slope, (HEIGHT // 2, 1))
        self.chroma[: ROWS // 2] = 128

    def luma(self):
        """The luma of the next frame, without its stamp."""
        self.number += 1
        shift = 2 * self.number % WIDTH
        luma = self.texture[:, shift : shift + WIDTH].copy()
        bar = 5 * self.number % (WIDTH - 40)
        luma[100:200, bar : bar + 40] = 255 - luma[100:200, bar : bar + 40]
        return luma

    def take(self):
        """A new frame. The stamp is the last thing that is made."""
        luma = self.luma()
        if self.layout == "bgr":
            frame = np.stack([255 - luma // 2, luma, luma // 2 + 64], axis=2)
            frame[:ROWS] = blocks(now(), self.number)[:, :, None]
            return frame
        planes = np.concatenate([luma.reshape(-1), self.chroma.reshape(-1), self.chroma.reshape(-1)])
        planes[: ROWS * WIDTH] = blocks(now(), self.number).reshape(-1)
        return planes.tobytes()


def camera(layout, fps=30.0):
    """Frames, each made when it is due. Whoever comes late gets a new one at once, not an old
    one: a camera without a queue, the kindest for every program."""
    frame = Frame(layout)
    due = time.monotonic()
    while True:
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield frame.take()
        due = max(due + 1 / fps, time.monotonic() - 1 / fps)
