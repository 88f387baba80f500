"""The configuration that serves, compiled and kept current, and who may call what by it."""
