# In the guest: the camera as it should be. Prints "name: value" lines, which camera.rs checks.
# $VIDCHAT is the program.

# shellcheck source=tests/camera/common.bash
. "${BASH_SOURCE%/*}/common.bash"

echo "== default"
send
say
echo "held before anybody watches: $(await_held 0)"
timeout "$patience" "$VIDCHAT" recv 127.0.0.1 --display none --frames 30 2>/tmp/recv
echo "recv status: $?"
sed 's/^/recv: /' /tmp/recv
watch /tmp/recv
# From then on it hears a signal, which until then is ignored in a script.
await "sends" /tmp/recv
echo "held while somebody watches: $(await_held 1)"
kill -INT "$viewer"
await_end "$viewer"
echo "held after the last viewer: $(await_held 0)"
stop

echo "== changed while it runs"
"$VIDCHAT" pipelines show camera >/tmp/mine.gst
send --pipeline /tmp/mine.gst --watch
watch /tmp/recv --no-reconnect
await "sends" /tmp/recv
sed -i 's/width:-320/width:-160/' /tmp/mine.gst
await "changed over to"
await "sends 160x90 I420" /tmp/recv
sed -i 's/! appsink/! valve drop=true ! appsink/' /tmp/mine.gst
await "goes on as it was"
try_watching
say
stop
await_end "$viewer"

echo "== nodes that cannot capture"
rmmod vivid
modprobe vivid n_devs=2 node_types=0xe1d3d,0x1
# The first node that captures is out of the way: those that come next do not.
rm /dev/video0
send
say
stop
for device in 4 vid-cap; do
	echo "== device $device"
	send --device "$device"
	say
	stop
done
for device in 1 7 nowhere; do
	echo "== device $device"
	fails send --bind 127.0.0.1 --no-preview --device "$device"
done
