"""A CSV of ages that grows by a line for each frame: received_at in seconds since the Unix
epoch, age_ms. A frame without a readable stamp has an empty age."""

import time

import stamp


class Record:
    """Use it with `with`."""

    def __init__(self, path):
        # A line at a time: whoever measures is ended, not asked to.
        self.file = open(path, "w", buffering=1, encoding="ascii")
        self.file.write("received_at,age_ms\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def add(self, received, luma):
        """A frame's luma that came at `received`, from stamp.now()."""
        age = stamp.age_of(luma, received)
        self.file.write(f"{time.time():.6f},{'' if age is None else f'{age:.3f}'}\n")
