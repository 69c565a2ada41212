"""Draws the ages over time as PNG: the same bytes for the same figures, and small.

An SVG has a thousand lines, and each new run changes most of them in the project's history. A PNG
with a palette is one object of 20 kB that no diff shows.
"""

import io

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("agg")
from matplotlib import pyplot, ticker  # noqa: E402  (after the choice above)

# Ours stands out; the others keep their colours from plot to plot.
STYLES = {
    "vidchat": ("#d6002a", 2.2, "-"),
    "vidchat-h264": ("#d6002a", 2.2, "-"),
    "tutorial": ("#1f77b4", 1.3, "-"),
    "gstreamer": ("#2ca02c", 1.3, "-"),
    "gstreamer-careful": ("#2ca02c", 1.3, "--"),
    "gstreamer-h264": ("#2ca02c", 1.3, "-"),
    "ffmpeg": ("#7b4fa3", 1.3, "-"),
    "ffmpeg-h264": ("#7b4fa3", 1.3, "-"),
    "imagezmq-pubsub": ("#b8770b", 1.3, "-"),
    "imagezmq-reqrep": ("#b8770b", 1.3, "--"),
    "pipe": ("#888888", 1.0, ":"),
}
NAMES = {
    "tutorial": "the tutorial",
    "gstreamer": "GStreamer",
    "gstreamer-careful": "GStreamer, careful",
    "gstreamer-h264": "GStreamer, H.264",
    "ffmpeg-h264": "ffmpeg, H.264",
    "vidchat-h264": "vidchat, H.264",
    "imagezmq-pubsub": "imagezmq PUB/SUB",
    "imagezmq-reqrep": "imagezmq REQ/REP",
}
# Points of one line: what a reader can tell apart.
POINTS = 180
# Enough for six lines, the grid and the text, each with its smoothed edges.
COLOURS = 64


def on_screen(at, age):
    """The same, and in long waits also how old the picture on the screen became meanwhile, in
    steps: on the axis of a logarithm that is no straight line."""
    points = []
    for now, new, then in zip(at, age, [*at[1:], at[-1]]):
        points.append((now, new))
        if then - now > 0.4:
            steps = np.append(np.arange(now + 0.2, then, 0.2), then)
            points += [(step, new + 1000 * (step - now)) for step in steps]
    return np.array(points).T


def thinned(at, age):
    """At most POINTS of them: of each stretch the oldest, so that no peak is lost."""
    step = -(-len(at) // POINTS)
    if step <= 1:
        return at, age
    chosen = [start + int(age[start : start + step].argmax()) for start in range(0, len(at), step)]
    return at[chosen], age[chosen]


def draw(path, scenario, runs):
    """One plot, a line for each of `runs`."""
    matplotlib.rcParams.update({
        # matplotlib brings this font, so the bytes are the same on every machine.
        "font.family": "DejaVu Sans",
        "font.size": 12, "axes.spines.top": False, "axes.spines.right": False,
    })
    figure, axes = pyplot.subplots(figsize=(9, 5))
    event = scenario.get("event")
    if event:
        axes.axvspan(event[0], event[0] + event[1], color="#eeeeee", zorder=0)
    end, labels = 0, []
    for name in sorted(runs, key=lambda name: name.startswith("vidchat")):
        at, age, seen = runs[name]
        if not len(at) or name == "pipe":
            continue
        end = max(end, seen["seconds"])
        colour, width, dashes = STYLES[name]
        at, age = thinned(*on_screen(at, age))
        axes.plot(at.round(2), age.clip(0.1).round(1), dashes, color=colour, linewidth=width)
        labels.append((age[-1], NAMES.get(name, name), colour, name.startswith("vidchat")))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlim(0, end)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    axes.set_title(f"Age of the frame on the screen: {scenario['title']}", loc="left", fontsize=14)
    axes.set_xlabel("seconds since the viewer connected")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:g} s" if value >= 1000
                                   else f"{value:g} ms")
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    name_lines(axes, end, labels)
    figure.tight_layout()
    drawn = io.BytesIO()
    # No version of matplotlib in it: the bytes depend on the figures alone.
    figure.savefig(drawn, format="png", dpi=100, metadata={"Software": None})
    pyplot.close(figure)
    image = Image.open(drawn).convert("RGB")
    # A palette of so few colours takes a third of the bytes and looks the same.
    # The steps of k-means bring back rare colours, which thin lines have.
    image = image.quantize(COLOURS, kmeans=3, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


def name_lines(axes, end, labels):
    """Writes each name at its line's end, moved apart where lines end close together."""
    low, high = axes.get_ylim()
    apart = (high / low) ** 0.055
    last = 0
    for age, name, colour, bold in sorted(labels):
        last = max(age, last * apart)
        axes.annotate(name, (end, last), xytext=(6, 0), textcoords="offset points",
                      color=colour, va="center", weight="bold" if bold else "normal",
                      annotation_clip=False)
