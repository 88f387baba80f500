"""What developers see of their own calls: sums, those that failed, and why one was refused."""
