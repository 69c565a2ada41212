# What the guest's scripts share. A section begins with "== its name".

sent=/tmp/sent
holder=
# Where the driver's device is let go (unbind) and taken up again (bind).
# shellcheck disable=SC2034  # scripts that pull the plug use it
plug=/sys/bus/platform/drivers/vivid

# The seconds of every wait: far more than anything takes, so it is met only by what hangs.
patience=300

# within COMMAND...: tries the command until it succeeds; fails where that takes too long.
within() {
	local i
	for ((i = 0; i < patience * 10; i++)); do
		if "$@"; then return; fi
		sleep 0.1
	done
	return 1
}

# await WORDS [FILE]: waits until $sent, or the file, holds these words.
await() {
	within grep -qF -- "$1" "${2:-$sent}" || echo "never said: $1"
}

# send ARGUMENT...: starts a sender, as $process, with its words in $sent, and waits until it can
# be watched.
send() {
	"$VIDCHAT" send --bind 127.0.0.1 --no-preview "$@" 2>"$sent" &
	process=$!
	await "vidchat recv "
}

# watch FILE ARGUMENT...: starts a viewer, as $viewer, with its words in the file.
watch() {
	"$VIDCHAT" recv 127.0.0.1 --display none "${@:2}" 2>"$1" &
	viewer=$!
}

# Prints how a viewer fares that comes now and leaves after three frames.
try_watching() {
	timeout "$patience" "$VIDCHAT" recv 127.0.0.1 --display none --frames 3 2>/tmp/second
	echo "second viewer status: $?"
}

# Prints what was said, each line after "send: ".
say() { sed 's/^/send: /' "$sent"; }

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# await_end PROCESS: waits until it has ended; returns its status.
await_end() {
	if ! within is_gone "$1"; then
		echo "never ended: process $1"
		kill -KILL "$1"
	fi
	wait "$1"
}

# Ends the process as Ctrl-C does.
stop() {
	kill -INT "$process"
	await_end "$process"
	echo "send status: $?"
}

# Runs vidchat, which is to fail, and prints what it said.
fails() {
	timeout "$patience" "$VIDCHAT" "$@" 2>"$sent"
	echo "send status: $?"
	say
}

# Prints whether the process holds a camera (1) or none (0).
held() { find "/proc/$process/fd" -lname '/dev/video*' | head -n 1 | wc -l; }

holds() { (($(held) == $1)); }

# Waits until the process holds no camera (0) or some (1); prints which of the two it is.
await_held() {
	if within holds "$1"; then echo "$1"; else held; fi
}

# Has another program hold the camera, as $holder, and waits until it has a frame. To look for
# that by opening the camera would be to take it away from that program now and then.
hold() {
	local i
	for ((i = 0; i < patience * 10; i++)); do
		# It ends by itself where the camera is not there yet.
		if ((i == 0)) || is_gone "$holder"; then
			gst-launch-1.0 -v v4l2src device=/dev/video0 num-buffers=100000 \
				! fakesink silent=false >/tmp/holder 2>&1 &
			holder=$!
		fi
		sleep 0.1
		if grep -q chain /tmp/holder; then return; fi
	done
	echo "never held: $(tail -n 3 /tmp/holder)"
}
