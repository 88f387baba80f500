"""Parsers against bytes that nobody chose: briefly in `make test`, for long in `make fuzz`."""
