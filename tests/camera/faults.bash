# In the guest: the camera as it should not be. Prints "name: value" lines, which camera.rs checks.
# $VIDCHAT is the program.

# shellcheck source=tests/camera/common.bash
. "${BASH_SOURCE%/*}/common.bash"

plug=/sys/bus/platform/drivers/vivid

# Starts a sender and a viewer whose pictures come.
watched() {
	start send --bind 127.0.0.1 --no-preview
	await "vidchat recv "
	"$VIDCHAT" recv 127.0.0.1 --display none 2>/tmp/recv &
	viewer=$!
	await "joined (1 watching)"
	await_held 1 >/tmp/held
	# A few pictures: more than that it was opened.
	timeout 60 "$VIDCHAT" recv 127.0.0.1 --display none --frames 5 2>/tmp/second
	echo "second viewer status: $?"
}

# Waits for both ends of what was started.
ends() {
	wait "$process"
	echo "send status: $?"
	wait "$viewer"
	echo "recv status: $?"
	say
	sed 's/^/recv: /' /tmp/recv
}

echo "== busy"
gst-launch-1.0 -q v4l2src device=/dev/video0 num-buffers=100000 ! fakesink &
holder=$!
for ((i = 0; i < 300; i++)); do
	if v4l2-ctl --stream-mmap --stream-count=1 2>&1 | grep -qi busy; then break; fi
	sleep 0.1
done
fails send --bind 127.0.0.1 --no-preview
kill "$holder"
wait "$holder"

echo "== no permission"
chmod 600 /dev/video0
nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
real=$VIDCHAT
VIDCHAT=/tmp/as-nobody
# Without what GStreamer knows of its plugins it would look at each of them, for long.
cp ~/.cache/gstreamer-1.0/registry.*.bin /tmp/registry
chmod 644 /tmp/registry
export GST_REGISTRY=/tmp/registry GST_REGISTRY_UPDATE=no
printf '#!/bin/bash\nexport HOME=/tmp\nexec %s %q "$@"\n' "${nobody[*]}" "$real" >"$VIDCHAT"
chmod 755 "$VIDCHAT"
fails send --bind 127.0.0.1 --no-preview
VIDCHAT=$real
unset GST_REGISTRY GST_REGISTRY_UPDATE
chmod 660 /dev/video0

echo "== fatal error"
watched
v4l2-ctl -c inject_fatal_streaming_error=1
ends

echo "== unplugged"
watched
echo vivid.0 >$plug/unbind
ends

echo "== none"
fails send --bind 127.0.0.1 --no-preview

echo "== plugged in again"
echo vivid.0 >$plug/bind
start send --bind 127.0.0.1 --no-preview
await "vidchat recv "
say
stop
