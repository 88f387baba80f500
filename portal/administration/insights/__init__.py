"""What publishers should know of usage: who is stuck on the way to the first call, what nobody calls, full quotas."""
