# In the guest: the camera as it should not be. Prints "name: value" lines, which camera.rs checks.
# $VIDCHAT is the program.

# shellcheck source=tests/camera/common.bash
. "${BASH_SOURCE%/*}/common.bash"

echo "== busy"
hold
fails send --bind 127.0.0.1 --no-preview
kill "$holder"
await_end "$holder"

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

echo "== none"
echo vivid.0 >$plug/unbind
fails send --bind 127.0.0.1 --no-preview

echo "== plugged in again"
echo vivid.0 >$plug/bind
send
say
stop
