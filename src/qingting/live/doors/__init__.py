"""Ways in for the sound of running calls: one module per protocol, each turns messages into the same few steps."""
