# In the guest: the camera as it should be. Prints "name: value" lines, which camera.rs checks.
# $VIDCHAT is the program.

# shellcheck source=tests/camera/common.bash
. "${BASH_SOURCE%/*}/common.bash"

echo "== the default"
start send --bind 127.0.0.1 --no-preview
await "vidchat recv "
say
echo "held before anybody watches: $(await_held 0)"
"$VIDCHAT" recv 127.0.0.1 --display none --frames 30 2>/tmp/recv
echo "recv status: $?"
sed 's/^/recv: /' /tmp/recv
await "joined (1 watching)"
await "(0 watching)"
echo "held after the last viewer: $(await_held 0)"
"$VIDCHAT" recv 127.0.0.1 --display none 2>/tmp/recv &
viewer=$!
echo "held while somebody watches: $(await_held 1)"
kill -INT "$viewer"
wait "$viewer"
stop

echo "== nodes that cannot capture"
rmmod vivid
modprobe vivid n_devs=2 node_types=0xe1d3d,0x1
# The first camera's capturing node is in the way of the choice.
chmod 000 /dev/video0
rm /dev/video0
start send --bind 127.0.0.1 --no-preview
await "vidchat recv "
say
stop
for device in 4 /dev/video4; do
	start send --bind 127.0.0.1 --no-preview --device "$device"
	await "vidchat recv "
	say
	stop
done
for device in 1 7 nowhere; do
	fails send --bind 127.0.0.1 --no-preview --device "$device"
done
