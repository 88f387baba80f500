"""Rates and quotas, counted in memory or in Redis."""
