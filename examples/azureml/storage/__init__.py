"""Blob storage: a small endpoint of the demo's own, and what is needed to use it or any other one."""
