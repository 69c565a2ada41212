#!/usr/bin/env python3
"""An RTSP server that passes streams of H.264 on, by GStreamer's own library for it.

    python3 rtsp_server.py cam door --user anna:pa55word

    vidchat publish desk --to rtsp://anna:pa55word@127.0.0.1:8554/cam/in
    vidchat recv rtsp://anna:pa55word@127.0.0.1:8554/cam

Debian has what it needs in python3-gi and gir1.2-gst-rtsp-server-1.0.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

FRAMES = "video/x-h264,stream-format=byte-stream,alignment=au"
# The library gives RTP to what is named depay0, and takes it from what is named pay0.
RECORD = f"( rtph264depay name=depay0 ! {FRAMES} ! appsink name=frames sync=false emit-signals=true )"
PLAY = (
    f"( appsrc name=frames caps={FRAMES} is-live=true do-timestamp=true format=time "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 aggregate-mode=zero-latency )"
)


def relay(mounts, path, user):
    """Takes a stream at `path`/in, and serves it to everybody at `path`."""
    players = []

    def record(_, media):
        media.get_element().get_by_name("frames").connect("new-sample", frame)

    def frame(frames):
        buffer = frames.emit("pull-sample").get_buffer()
        for player in list(players):
            # Without the times of another pipeline, appsrc writes its own.
            copy = buffer.copy()
            copy.pts = copy.dts = Gst.CLOCK_TIME_NONE
            player.emit("push-buffer", copy)
        return Gst.FlowReturn.OK

    def play(_, media):
        frames = media.get_element().get_by_name("frames")
        players.append(frames)
        media.connect("unprepared", lambda _: players.remove(frames))

    for place, launch, configure in [(f"{path}/in", RECORD, record), (path, PLAY, play)]:
        factory = GstRtspServer.RTSPMediaFactory(launch=launch, shared=launch is PLAY, latency=0)
        if launch is RECORD:
            factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        if user:
            rights = GstRtspServer.RTSPPermissions()
            for right in ["media.factory.access", "media.factory.construct"]:
                rights.add_permission_for_role("user", right, True)
            factory.set_permissions(rights)
        factory.connect("media-configure", configure)
        mounts.add_factory(place, factory)


def only(user):
    """Turns away everybody but `user`, who is NAME:PASSWORD."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*user.split(":", 1)), token)
    return auth


def main():
    args = argparse.ArgumentParser(description="passes streams of H.264 on by RTSP")
    args.add_argument("names", nargs="+", metavar="NAME", help="a stream")
    args.add_argument("--address", default="127.0.0.1", help="where to listen (127.0.0.1)")
    args.add_argument("--port", default="8554", help="(8554)")
    args.add_argument("--user", metavar="NAME:PASSWORD", help="turns everybody else away")
    args = args.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address=args.address, service=args.port)
    # A thread for each connection: that of a player waits for a frame, which comes by another one.
    server.get_thread_pool().set_max_threads(-1)
    if args.user:
        server.set_auth(only(args.user))
    for name in args.names:
        relay(server.get_mount_points(), f"/{name}", args.user)
    if not server.attach(None):
        raise SystemExit(f"error: cannot listen at {args.address}:{args.port}")
    print(f"rtsp://{args.address}:{server.get_bound_port()}/{args.names[0]}", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
