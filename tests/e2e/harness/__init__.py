"""What the end-to-end tests stand on: a real broker, the real binary, senders and consumers."""
