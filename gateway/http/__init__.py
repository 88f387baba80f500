"""HTTP/1.1 as bytes: heads, chunks, trailers, targets, and the gateway's own replies."""
