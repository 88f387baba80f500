"""Backends: what they are, which are well, and the pooled connections to them."""
