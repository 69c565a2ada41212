"""Measures the age of frames from outside: programs on links, a table and plots.

Every frame carries the time it was made at in its pixels, and the other end reads it.
"""

import argparse
import json
import math
import pathlib
import re
import signal
import sys
import time

import numpy as np

import plot
from link import Link
from programs import PROGRAMS, Group

PROJECT = pathlib.Path(__file__).parents[2]
TEN = "rate 10mbit burst 32kb latency 50ms"
RAW = ["vidchat", "tutorial", "gstreamer", "gstreamer-careful", "ffmpeg", "imagezmq-reqrep",
       "imagezmq-pubsub"]
CODED = ["vidchat-h264", "gstreamer-h264", "ffmpeg-h264", "tutorial"]
# What the link is, in bit/s for the utilization, who runs on it, and what happens in between:
# at so many seconds, for so many seconds, another shape.
SCENARIOS = {
    "free": {"title": "no limit", "who": ["pipe", *RAW, *CODED[:3]]},
    "10mbit": {"title": "10 Mbit/s", "shape": TEN, "rate": 10e6, "who": RAW},
    "bloat": {"title": "10 Mbit/s, a queue of 1 MB", "rate": 10e6,
              "shape": "rate 10mbit burst 32kb limit 1mb", "who": RAW},
    "delay": {"title": "10 Mbit/s, 40 ms each way", "shape": TEN, "rate": 10e6, "delay": 40,
              "who": RAW},
    "1mbit": {"title": "1 Mbit/s, H.264", "shape": "rate 1mbit burst 4kb latency 200ms",
              "rate": 1e6, "who": CODED},
    "dip": {"title": "10 Mbit/s, 200 kbit/s for ten seconds", "shape": TEN, "rate": 10e6,
            "event": (10, 10, "rate 200kbit burst 32kb latency 50ms"), "who": RAW},
    "dip-bloat": {"title": "10 Mbit/s, a queue of 1 MB, 200 kbit/s for ten seconds", "rate": 10e6,
                  "shape": "rate 10mbit burst 32kb limit 1mb",
                  "event": (10, 10, "rate 200kbit burst 32kb limit 1mb"), "who": RAW},
    "outage": {"title": "10 Mbit/s, nothing for ten seconds", "shape": TEN, "rate": 10e6,
               "event": (10, 10, "blackhole"), "who": RAW},
}
# Left out of the figures: starting up, and the first filling of queues.
WARM_UP = 3


def arguments():
    """What was typed."""
    parser = argparse.ArgumentParser(
        prog="benches/age/run", description=__doc__.split("\n", maxsplit=1)[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="links: " + ", ".join(f"{name} ({it['title']})" for name, it in SCENARIOS.items())
        + "\nprograms: " + ", ".join(PROGRAMS) + "\n\nas root, for the namespaces")
    parser.add_argument("links", nargs="*", metavar="LINK", help="which links (all)")
    parser.add_argument("--programs", help="which, with commas (all that fit the link)")
    parser.add_argument("--vidchat", default=PROJECT / "target/release/vidchat",
                        type=pathlib.Path, help="the program (target/release/vidchat)")
    parser.add_argument("--send-args", default="", help="more for vidchat send, in one word")
    parser.add_argument("--recv-args", default="", help="more for vidchat recv, in one word")
    parser.add_argument("--seconds", type=float, default=30,
                        help="each; at least 30 where something happens in between (30)")
    parser.add_argument("--congestion", default="cubic",
                        help="TCP's congestion control; what most machines have: cubic")
    parser.add_argument("--folder", type=pathlib.Path, default=PROJECT / "target/age",
                        help="for the CSVs and logs (target/age)")
    parser.add_argument("--plots", type=pathlib.Path, help="a folder to write PNGs to, such as docs")
    parser.add_argument("--again", action="store_true",
                        help="measure nothing: table and plots of what the folder has")
    options = parser.parse_args()
    options.links = options.links or list(SCENARIOS)
    options.programs = options.programs.split(",") if options.programs else None
    for given, known in ((options.links, SCENARIOS), (options.programs or [], PROGRAMS)):
        for name in given:
            if name not in known:
                parser.error(f'unknown "{name}": there are {", ".join(known)}')
    options.vidchat = options.vidchat.resolve()
    if not options.again and not options.vidchat.exists() and any(
            name.startswith("vidchat") for name in options.programs or RAW):
        parser.error(f'no program at "{options.vidchat}": cargo build --release, or --vidchat')
    return options


def who(scenario, options):
    """The programs that run there."""
    fitting = SCENARIOS[scenario]["who"]
    # What is named runs, whether it fits or not.
    return options.programs or fitting


def measure(scenario, program, options):
    """One program on one link. Its CSV, and what was seen of the link beside it as JSON."""
    it = SCENARIOS[scenario]
    folder = options.folder / scenario
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{program}.*"):
        old.unlink()
    event = it.get("event")
    seconds = max(options.seconds, 30) if event else options.seconds
    link = Link(it.get("shape"), it.get("delay", 0), options.congestion)
    with link, Group(link, folder, program) as group:
        PROGRAMS[program](group, options)
        begun, clock = time.monotonic(), time.time()
        seen = {"begun": clock, "seconds": seconds, "congestion": options.congestion}

        def sleep_until(at):
            time.sleep(max(0, begun + at - time.monotonic()))

        if event:
            at, lasts, shape = event
            sleep_until(at)
            link.reshape(shape)
            sleep_until(at + lasts)
            link.reshape(it["shape"])
            seen["back"] = time.time() - clock
            half, before = at + lasts, None
        else:
            half = seconds / 2
            sleep_until(half)
        if it.get("rate"):
            before = link.sent(), time.monotonic()
        sleep_until(seconds)
        if it.get("rate"):
            sent, took = link.sent() - before[0], time.monotonic() - before[1]
            seen["used"] = sent * 8 / took / it["rate"]
        if ended := group.ended():
            seen["ended"] = ended
    (folder / f"{program}.json").write_text(json.dumps(seen) + "\n", encoding="ascii")


def load(folder, program):
    """Seconds since the run began, ages in ms, and what was seen; None where there is none."""
    try:
        seen = json.loads((folder / f"{program}.json").read_text(encoding="ascii"))
        lines = (folder / f"{program}.csv").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    pairs = [line.split(",") for line in lines if line.count(",") == 1 and line[-1:].isdigit()]
    seen["unreadable"] = len([line for line in lines if line.endswith(",")])
    at = np.array([float(pair[0]) for pair in pairs]) - seen["begun"]
    return at, np.array([float(pair[1]) for pair in pairs]), seen


def figures(run, event):
    """The figures of one run, by name."""
    at, age, seen = run
    end = seen["seconds"]
    row = {"used": seen.get("used", math.nan), "unreadable": seen["unreadable"],
           "ended": seen.get("ended")}
    if not len(at):
        return row
    # Where something happens in between, the figures are of the time before.
    until = event[0] if event else end
    chosen = (at >= WARM_UP) & (at < until)
    row["fps"] = chosen.sum() / max(0.001, until - WARM_UP)
    if chosen.any():
        row["p50"], row["p95"] = np.percentile(age[chosen], [50, 95])
        row["max"] = age[chosen].max()
    late = (at >= until / 2) & (at < until)
    if late.sum() > 1 and np.ptp(at[late]) > 0:
        row["slope"] = np.polyfit(at[late], age[late], 1)[0]
    # What is on the screen grows older until the next picture comes.
    next_at = np.append(at[1:], max(end, at[-1]))
    worst = age + 1000 * (next_at - at)
    here = next_at >= WARM_UP
    row["stale"] = worst[here].max() if here.any() else math.nan
    if event and "p95" in row:
        row["back"] = back_after(at, age, seen["back"], 1.5 * row["p95"], end)
    return row


def back_after(at, age, back, normal, end):
    """Seconds from when the link came back to the beginning of a whole second in which every
    frame is as young as they were. Not for ever: TCP loses a packet now and then where all is
    well, which makes one frame older."""
    after = at >= back
    old = at[after & (age > normal)]
    for first in at[after & (age <= normal)]:
        if first + 1 <= end and not np.any((old > first) & (old <= first + 1)):
            return first - back
    return math.inf


# Lines such as "age 95 ms" of a program that tells its own figure.
OWN = re.compile(r"\bage\b[^0-9]{0,12}([0-9]+(?:\.[0-9]+)?) ?(ms|s)\b")


def own_ages(folder, program):
    """What the viewer itself said, in ms."""
    log = folder / f"{program}-recv.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    return [float(value) * (1 if unit == "ms" else 1000) for value, unit in OWN.findall(text)]


def table(scenario, rows):
    """Prints the figures of one link."""
    it = SCENARIOS[scenario]
    print(f"\n### {it['title']}\n")
    head = "| program | p50 ms | p95 ms | max ms | growth ms/s | frames/s | oldest on screen ms | link used |"
    marks = "|---|---:|---:|---:|---:|---:|---:|---:|"
    if "event" in it:
        head, marks = head + " back to normal after s |", marks + "---:|"
    print(f"{head}\n{marks}")

    def cell(row, name, form, factor=1):
        value = row.get(name, math.nan)
        if math.isinf(value):
            return "never"
        return "–" if math.isnan(value) else format(value * factor, form)

    for program, row in rows.items():
        cells = [cell(row, "p50", ".1f" if row.get("p50", 99) < 10 else ".0f"),
                 cell(row, "p95", ".1f" if row.get("p95", 99) < 10 else ".0f"),
                 cell(row, "max", ".0f"), cell(row, "slope", "+.1f"), cell(row, "fps", ".1f"),
                 cell(row, "stale", ".0f"), cell(row, "used", ".1f", 100)
                 + (" %" if not math.isnan(row["used"]) else "")]
        if "event" in it:
            cells.append(cell(row, "back", ".2f"))
        print(f"| {program} | {' | '.join(cells)} |")
    for program, row in rows.items():
        if row["ended"]:
            print(f"\n{program}: ended too early: {row['ended']}")
        if row["unreadable"]:
            print(f"\n{program}: {row['unreadable']} frames without a readable stamp")


def main():
    """Runs what was asked for."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for scenario in options.links:
        folder = options.folder / scenario
        if not options.again:
            for program in who(scenario, options):
                print(f"{scenario}: {program}", file=sys.stderr)
                try:
                    measure(scenario, program, options)
                except OSError as error:
                    print(f"{scenario}: {program}: {error}", file=sys.stderr)
        event = SCENARIOS[scenario].get("event")
        runs = {name: load(folder, name) for name in PROGRAMS}
        runs = {name: run for name, run in runs.items() if run}
        table(scenario, {name: figures(run, event) for name, run in runs.items()})
        for program in runs:
            if own := own_ages(folder, program):
                print(f"\n{program}: says {np.median(own):.1f} ms itself, the middle of {len(own)}")
        if options.plots and runs:
            path = options.plots / f"age-{scenario}.png"
            plot.draw(path, SCENARIOS[scenario], runs)
            print(f"\n{path}", file=sys.stderr)


if __name__ == "__main__":
    main()
