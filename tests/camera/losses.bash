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

# has_come_back REASON: whether the camera was lost for this reason and is back since then. A machine
# that is too busy sees it stand still now and then, which is another loss.
has_come_back() { new | sed -nE "/camera lost: .*($1)/,\$p" | grep -q "back after"; }

# is_back REASON: waits until the camera that was lost for it is back; then pictures come again to a
# new viewer and the old one.
is_back() {
	within has_come_back "$1" || echo "never came back: $1"
	try_watching
	if kill -0 "$viewer" 2>/dev/null; then echo "viewer: stays"; fi
	new | sed 's/^/send: /'
}

# lose REASON COMMAND...: does this to the camera, and waits until the sender has lost it for the
# reason. Does it again after a while: a machine that is too busy may just have had it closed.
lose() {
	local before=$SECONDS patience=60 times=0
	until [ "$times" -gt 0 ] && within has_new_like "camera lost: .*($1)"; do
		if ((SECONDS > before + 600)); then
			echo "never lost: $1"
			break
		fi
		"${@:2}"
		((times += 1))
	done
	echo "done to it: $times"
}

has_new_like() { new | grep -qE "$1"; }

pull_the_plug() {
	if [ ! -e $plug/vivid.0 ]; then
		echo vivid.0 >$plug/bind
		try_watching >/dev/null
	fi
	echo vivid.0 >$plug/unbind
}

# Unplugs the camera and waits until that was noticed.
unplug() { lose "$unplugged" pull_the_plug; }

# Unplugs the camera. The sender sees nothing of what follows until it is let go on: it would be
# quicker than this script.
unplug_and_stop() {
	unplug
	kill -STOP "$process"
}

unplugged="it was unplugged"
# Which of GStreamer's calls meets a fault first is a matter of luck: one takes a picture out, the
# other gives its memory back.
failed="Failed to allocate a buffer|Could not read from resource"

send
watch /tmp/recv
await "joined (1 watching)"
await "sends" /tmp/recv
# The camera gives pictures.
try_watching >/dev/null

section "fatal error"
lose "$failed" v4l2-ctl -c inject_fatal_streaming_error=1
is_back "$failed"

section "disconnected"
lose "$failed" v4l2-ctl -c disconnect=1
is_back "$failed"

section "unplugged"
unplug
echo vivid.0 >$plug/bind
is_back "$unplugged"

section "busy when it comes back"
unplug_and_stop
echo vivid.0 >$plug/bind
hold
kill -CONT "$process"
await_new "not back yet"
kill "$holder"
await_end "$holder"
is_back "$unplugged"

section "does not start when it comes back"
unplug_and_stop
echo vivid.0 >$plug/bind
v4l2-ctl -c inject_vidioc_streamon_error=1
kill -CONT "$process"
is_back "$unplugged"

section "has no memory when it comes back"
unplug_and_stop
echo vivid.0 >$plug/bind
v4l2-ctl -c inject_vidioc_reqbufs_error=1
kill -CONT "$process"
is_back "$unplugged"

section "stalled"
lose "no picture for 2 s" v4l2-ctl -c percentage_of_dropped_buffers=100
v4l2-ctl -c percentage_of_dropped_buffers=0
is_back "no picture for 2 s"

section "another number"
unplug_and_stop
rmmod vivid
modprobe vivid n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0x0,0x0 vid_cap_nr=7,0
kill -CONT "$process"
is_back "$unplugged"

section "gone while nobody watched"
kill -INT "$viewer"
await_end "$viewer"
await_new "closed, as nobody watches"
echo vivid.0 >$plug/unbind
watch /tmp/recv2
await_new "camera lost: $unplugged"
echo "done to it: 1"
echo vivid.0 >$plug/bind
is_back "$unplugged"

section "end"
sed 's/^/recv: /' /tmp/recv
stop
kill -INT "$viewer"
await_end "$viewer"
echo "recv status: $?"
