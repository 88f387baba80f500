"""As in English. Numbers are as Django has them."""

DATE_FORMAT = "j. F Y"
SHORT_DATE_FORMAT = "d.m.Y"
MONTH_DAY_FORMAT = "j. F"
DATETIME_FORMAT = "d.m.Y H:i:s e"
TIME_FORMAT = "H:i:s"
SHORT_DATETIME_FORMAT = "j. F Y, H:i e"
