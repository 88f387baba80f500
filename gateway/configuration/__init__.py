"""The snapshot file, and the forms of keys and credentials in it: what the publisher writes."""
