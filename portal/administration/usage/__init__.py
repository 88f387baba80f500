"""The publisher's dashboard: what is called, how it goes, and what has changed."""
