"""Single calls on their way into other systems, as they are stored."""
