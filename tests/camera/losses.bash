# In the guest: a camera that is lost in many ways, one after the other, and comes back each time
# to the same sender and the same viewer. Prints "name: value" lines, which camera.rs checks.
# $VIDCHAT is the program.

# shellcheck source=tests/camera/common.bash
. "${BASH_SOURCE%/*}/common.bash"

# Begins a section: from now on only new lines of the log count.
section() {
	echo "== $1"
	said=$(wc -l <"$sent")
}

# Prints the new lines of the log.
new() { tail -n "+$((said + 1))" "$sent"; }

has_new() { new | grep -qF -- "$1"; }

# Waits until the log has a new line with these words.
await_new() {
	within has_new "$1" || echo "never said: $1"
}

# Waits until the camera is back; then frames come again to a new viewer and the old one.
is_back() {
	await_new "back after"
	try_watching
	if kill -0 "$viewer" 2>/dev/null; then echo "viewer: stays"; fi
	new >/tmp/new
	echo "lost: $(grep -c "camera lost" /tmp/new)"
	echo "back: $(grep -c "back after" /tmp/new)"
	sed 's/^/send: /' /tmp/new
}

# provoke COMMAND...: does this to the camera until the sender has lost it. A driver that is only
# about to stream, as on a machine that is too busy, takes no notice.
provoke() {
	local i
	for ((i = 0; i < 15; i++)); do
		"$@"
		if patience=20 within has_new "camera lost"; then return; fi
	done
}

# Unplugs the camera and waits until that was noticed. The sender sees nothing of what follows
# until it is let go on: it would be quicker than this script.
unplug() {
	echo vivid.0 >$plug/unbind
	await_new "camera lost"
	kill -STOP "$process"
}

send
watch /tmp/recv
await "joined (1 watching)"
await "sends" /tmp/recv
await_held 1 >/tmp/held

section "fatal error"
provoke v4l2-ctl -c inject_fatal_streaming_error=1
is_back

section "disconnected"
provoke v4l2-ctl -c disconnect=1
is_back

section "unplugged"
echo vivid.0 >$plug/unbind
await_new "camera lost"
echo vivid.0 >$plug/bind
is_back

section "busy when it comes back"
unplug
echo vivid.0 >$plug/bind
hold
kill -CONT "$process"
await_new "not back yet"
kill "$holder"
await_end "$holder"
is_back

section "does not start when it comes back"
unplug
echo vivid.0 >$plug/bind
v4l2-ctl -c inject_vidioc_streamon_error=1
kill -CONT "$process"
is_back

section "has no memory when it comes back"
unplug
echo vivid.0 >$plug/bind
v4l2-ctl -c inject_vidioc_reqbufs_error=1
kill -CONT "$process"
is_back

section "stalled"
v4l2-ctl -c percentage_of_dropped_buffers=100
await_new "camera lost"
v4l2-ctl -c percentage_of_dropped_buffers=0
is_back

section "another number"
unplug
rmmod vivid
modprobe vivid n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0x0,0x0 vid_cap_nr=7,0
kill -CONT "$process"
is_back

section "gone while nobody watched"
kill -INT "$viewer"
await_end "$viewer"
await_new "closed, as nobody watches"
echo vivid.0 >$plug/unbind
watch /tmp/recv2
await_new "camera lost"
echo vivid.0 >$plug/bind
is_back

section "end"
sed 's/^/recv: /' /tmp/recv
stop
kill -INT "$viewer"
await_end "$viewer"
echo "recv status: $?"
