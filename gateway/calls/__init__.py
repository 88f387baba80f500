"""The way of a call, from its head to the last byte of its answer."""
