"""How dates and times are written: 24 hours, with the time zone. Lists show seconds, texts do not (SHORT_)."""

DATE_FORMAT = "j F Y"
SHORT_DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s e"
SHORT_DATETIME_FORMAT = "j F Y, H:i e"
TIME_FORMAT = "H:i:s"
