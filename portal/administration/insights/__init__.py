"""What publishers should know of usage: who is stuck, what nobody calls, who calls what is deprecated, full quotas."""
