"""Gives reports what the rows of single calls tell and roll-ups do not, after an upgrade."""

from typing import Any

from django.core.management.base import BaseCommand

from analytics.rebuild import correct_first_successes, days_with_calls, rebuild


class Command(BaseCommand):
    help = "Make the sums of days anew that tell of other calls than the rows do. Can be repeated."

    def handle(self, *args: Any, **options: Any) -> None:
        rebuilt = {day: rebuild(day) for day in days_with_calls()}
        for day, calls in rebuilt.items():
            if calls:
                self.stdout.write(f"{day}: {calls:,} calls")
        if corrected := correct_first_successes():
            self.stdout.write(f"First successes of {corrected:,} subscriptions were corrected.")
        self.stdout.write(f"{sum(1 for calls in rebuilt.values() if calls)} of {len(rebuilt)} days were made anew.")
