# What the guest's scripts share. A section begins with "== its name".

sent=/tmp/sent
holder=

# Starts vidchat in the background, as $process, with its words in $sent.
start() {
	"$VIDCHAT" "$@" 2>"$sent" &
	process=$!
}

# await WORDS [FILE]: waits until $sent, or the file, holds these words.
await() {
	local i
	for ((i = 0; i < 300; i++)); do
		if grep -qF -- "$1" "${2:-$sent}"; then return; fi
		sleep 0.1
	done
	echo "never said: $1"
}

# Prints what was said, each line after "send: ".
say() { sed 's/^/send: /' "$sent"; }

# Ends the process as Ctrl-C does.
stop() {
	kill -INT "$process"
	wait "$process"
	echo "send status: $?"
}

# Runs vidchat, which is to fail, and prints what it said.
fails() {
	timeout 100 "$VIDCHAT" "$@" 2>"$sent"
	echo "send status: $?"
	say
}

# Prints how many of the process's files are cameras.
held() { find "/proc/$process/fd" -lname '/dev/video*' | wc -l; }

# Waits until the process holds no camera (0) or some (1); prints which of the two it is.
await_held() {
	local i now
	for ((i = 0; i < 300; i++)); do
		now=$(($(held) > 0))
		if ((now == $1)); then break; fi
		sleep 0.1
	done
	echo "$now"
}

# Has another program hold the camera, as $holder, and waits until it has a picture. To look for
# that by opening the camera would be to take it away from that program now and then.
hold() {
	local i
	for ((i = 0; i < 300; i++)); do
		if ((i % 50 == 0)) || ! kill -0 "$holder" 2>/dev/null; then
			[ -z "${holder:-}" ] || kill "$holder" 2>/dev/null
			gst-launch-1.0 -v v4l2src device=/dev/video0 num-buffers=100000 \
				! fakesink silent=false >/tmp/holder 2>&1 &
			holder=$!
		fi
		sleep 0.1
		if grep -q chain /tmp/holder; then return; fi
	done
	echo "never held: $(tail -n 3 /tmp/holder)"
}
