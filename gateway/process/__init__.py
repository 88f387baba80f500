"""The processes: the master, its workers, and what they tell each other."""
