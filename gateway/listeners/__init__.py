"""Where callers connect: sockets, TLS, the PROXY protocol."""
