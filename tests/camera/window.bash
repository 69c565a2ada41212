# In the guest: a sender for a viewer outside. $VIDCHAT is the program, $PORT is led there.
exec "$VIDCHAT" send --bind 127.0.0.1 --port "$PORT" --no-preview
