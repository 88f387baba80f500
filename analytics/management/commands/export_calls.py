"""`manage.py export_calls FOLDER`: calls that the folder does not have yet, as Parquet files."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from analytics.feeds import parquet


class Command(BaseCommand):
    help = "Write calls that the folder does not have yet as Parquet files, by day (date=2026-03-01/part-….parquet)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--calls-in-a-file", type=int, default=parquet.CALLS_IN_A_FILE)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["calls_in_a_file"] < 1:
            raise CommandError(_("A file has one call at least."))
        try:
            for file in parquet.export_calls(options["folder"], calls_in_a_file=options["calls_in_a_file"]):
                self.stdout.write(str(file))
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error
