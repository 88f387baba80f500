"""As in English. Numbers are as Django has them."""

DATE_FORMAT = "Y. F j."
SHORT_DATE_FORMAT = "Y. m. d."
MONTH_DAY_FORMAT = "F j."
DATETIME_FORMAT = "Y. m. d. H:i:s e"
TIME_FORMAT = "H:i:s"
SHORT_DATETIME_FORMAT = "Y. F j., H:i e"
