"""The programs that are compared, each as somebody uses it who wants live video: how they are
started on the two ends of a link, with the same frames and the same measuring at the other end."""

import pathlib
import subprocess
import sys

from link import SENDER, VIEWER

HERE = pathlib.Path(__file__).parent
PIPELINES = HERE.parent / "pipelines"
PORT = 10050
I420 = "format=i420 width=320 height=240 framerate=30/1"
X264 = "x264enc tune=zerolatency speed-preset=veryfast bitrate=800 key-int-max=60"


class Group:
    """The processes of one run. They are ended, by their ids, at the end of `with`."""

    def __init__(self, link, folder, name):
        self.link, self.folder, self.name = link, folder, name
        self.csv = folder / f"{name}.csv"
        self.processes = []
        self.files = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The receiving end first: whoever sends then notices.
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for file in self.files:
            file.close()

    def start(self, namespace, words, log, **pipes):
        """Starts one there, with its standard error in a file."""
        file = open(self.folder / f"{self.name}-{log}.log", "wb")
        self.files.append(file)
        pipes.setdefault("stdin", subprocess.DEVNULL)
        pipes.setdefault("stdout", file)
        words = [*self.link.inside(namespace), *map(str, words)]
        process = subprocess.Popen(words, stderr=file, **pipes)
        self.processes.append(process)
        return process

    def python(self, namespace, words, log, **pipes):
        """Starts one of the programs beside this file."""
        script, *arguments = words
        return self.start(namespace, [sys.executable, HERE / script, *arguments], log, **pipes)

    def fed(self, words, layout="i420"):
        """Starts a sender that gets stamped frames on its standard input."""
        source = self.python(self.link.sender, ["source.py", layout], "source",
                             stdout=subprocess.PIPE)
        self.start(self.link.sender, words, "send", stdin=source.stdout)
        # The sender alone holds it, so that each learns of the other's end.
        source.stdout.close()

    def read(self, words, layout="i420"):
        """Starts a receiver that writes frames to its standard output."""
        receiver = self.start(self.link.viewer, words, "recv", stdout=subprocess.PIPE)
        self.python(self.link.viewer, ["reader.py", layout, self.csv], "reader",
                    stdin=receiver.stdout)
        receiver.stdout.close()

    def listening(self):
        """Waits until the sender does."""
        self.link.wait_for_listener(self.link.sender, PORT, self.ended)

    def ended(self):
        """The words of the first process that is not running any more."""
        for process in self.processes:
            if process.poll() is not None:
                return " ".join(process.args[4:7])
        return None


def pipe(group, _):
    """No program at all: what the measuring itself adds."""
    source = group.python(group.link.sender, ["source.py", "i420"], "source",
                          stdout=subprocess.PIPE)
    group.python(group.link.viewer, ["reader.py", "i420", group.csv], "reader",
                 stdin=source.stdout)
    source.stdout.close()


def vidchat_with(pipeline):
    """vidchat, on one of the pipelines for its sending end."""

    def start(group, options):
        group.fed([options.vidchat, "send", "--bind", SENDER, "--port", PORT, "--no-preview",
                   "--pipeline", PIPELINES / pipeline, *options.send_args.split()])
        group.listening()
        group.read([options.vidchat, "recv", f"{SENDER}:{PORT}", "--pipeline",
                    PIPELINES / "age-recv.gst", *options.recv_args.split()])

    return start


def tutorial(group, _):
    """The tutorial's two programs."""
    group.python(group.link.sender, ["tutorial_server.py", SENDER, PORT], "send")
    group.listening()
    group.python(group.link.viewer, ["tutorial_client.py", SENDER, PORT, group.csv], "recv")


def gstreamer_with(encode, decode, sink):
    """GStreamer's own elements."""

    def start(group, _):
        group.fed(["gst-launch-1.0", *f"fdsrc fd=0 ! rawvideoparse {I420} ! {encode} gdppay ! "
                   f"tcpserversink host={SENDER} port={PORT} sync=false {sink}".split()])
        group.listening()
        group.read(["gst-launch-1.0", "-q", *f"tcpclientsrc host={SENDER} port={PORT} ! gdpdepay "
                    f"! {decode} fdsink fd=1 sync=false".split()])

    return start


# As yardstick/peers.rs has it: four frames behind, and it goes on with the newest.
CAREFUL = ("async=false unit-format=buffers sync-method=latest-keyframe recover-policy=keyframe "
           "units-soft-max=4 units-max=30")
# Not avdec_h264: joining between two key frames leaves its frames grey for good.
DECODE = "h264parse ! openh264dec ! videoconvert ! video/x-raw,format=I420 !"


def ffmpeg_with(sent, received):
    """ffmpeg on both ends, with the options against delay that its documents name."""

    def start(group, _):
        raw = "-f rawvideo -pixel_format yuv420p -video_size 320x240 -framerate 30"
        group.fed(["ffmpeg", *"-nostdin -loglevel warning -fflags nobuffer".split(),
                   *f"{raw} -i pipe:0 {sent} -flush_packets 1".split(),
                   f"tcp://{SENDER}:{PORT}?listen=1&tcp_nodelay=1"])
        group.listening()
        quick = "-nostdin -loglevel warning -fflags nobuffer -flags low_delay -probesize 32 -analyzeduration 0"
        group.read(["ffmpeg", *quick.split(), *(received or raw).split(),
                    "-i", f"tcp://{SENDER}:{PORT}",
                    *"-fps_mode passthrough -f rawvideo -pix_fmt yuv420p -flush_packets 1 pipe:1".split()])

    return start


def imagezmq_with(mode):
    """imagezmq with one of its two patterns."""

    def start(group, _):
        hub, source = group.link.viewer, group.link.sender
        if mode == "reqrep":
            group.python(hub, ["imagezmq_recv.py", mode, VIEWER, PORT, group.csv], "recv")
            group.link.wait_for_listener(hub, PORT, group.ended)
            group.python(source, ["imagezmq_send.py", mode, VIEWER, PORT], "send")
        else:
            group.python(source, ["imagezmq_send.py", mode, SENDER, PORT], "send")
            group.listening()
            group.python(hub, ["imagezmq_recv.py", mode, SENDER, PORT, group.csv], "recv")

    return start


PROGRAMS = {
    "pipe": pipe,
    "vidchat": vidchat_with("age-raw.gst"),
    "vidchat-h264": vidchat_with("age-h264.gst"),
    "tutorial": tutorial,
    "gstreamer": gstreamer_with("", "", ""),
    "gstreamer-careful": gstreamer_with("", "", CAREFUL),
    "gstreamer-h264": gstreamer_with(f"{X264} ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au !",
        DECODE, ""),
    "ffmpeg": ffmpeg_with("-c:v rawvideo -f rawvideo", ""),
    "ffmpeg-h264": ffmpeg_with(
        "-c:v libx264 -preset veryfast -tune zerolatency -b:v 800k -maxrate 800k -bufsize 480k "
        "-g 60 -f mpegts", "-f mpegts"),
    "imagezmq-reqrep": imagezmq_with("reqrep"),
    "imagezmq-pubsub": imagezmq_with("pubsub"),
}
