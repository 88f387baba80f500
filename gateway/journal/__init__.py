"""The records of calls on disk, and the counts that come back from them."""
