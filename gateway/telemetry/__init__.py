"""What the gateway tells of calls: metrics, access log, spans, debug traces."""
