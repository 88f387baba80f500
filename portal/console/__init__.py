"""The "Try it" console: it forwards a call to this service's own gateway and shows what came back."""
