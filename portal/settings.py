"""Every setting of web, worker, publisher and gateway, read from the environment once.

docs/settings.md describes each variable. Imports no Django, so that the gateway can read it too.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dj_database_url

from portal.environment import (
    SettingError,
    env_base_url,
    env_bool,
    env_float,
    env_int,
    env_list,
    env_networks,
    env_path,
    env_secret,
    env_text,
    env_time_zone,
)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = env_path("DATA_DIR", default=BASE_DIR / "var")

# -- Secrets and safety ------------------------------------------------------------------------
DEBUG = env_bool("DEBUG", default=False)
SECRET_KEY = env_secret("SECRET_KEY", low=32, kept_in=DATA_DIR / "secret_key")
KEY_ENCRYPTION_KEY = env_secret("KEY_ENCRYPTION_KEY", low=32, kept_in=DATA_DIR / "key_encryption_key")

# -- Addresses ---------------------------------------------------------------------------------
PORTAL_HOST = env_text("PORTAL_HOST", default="127.0.0.1")
PORTAL_PORT = env_int("PORTAL_PORT", default=8000, low=1, high=65535)
GATEWAY_HOST = env_text("GATEWAY_HOST", default="127.0.0.1")
GATEWAY_PORT = env_int("GATEWAY_PORT", default=8080, low=1, high=65535)
# Where the gateway runs, for the records of its calls.
GATEWAY_REGION = env_text("GATEWAY_REGION", default="")
if len(GATEWAY_REGION) > 50 or not GATEWAY_REGION.isprintable():
    raise SettingError("GATEWAY_REGION: give at most 50 printable characters.")
GATEWAY_TLS_HOST = env_text("GATEWAY_TLS_HOST", default=GATEWAY_HOST)
GATEWAY_TLS_PORT = env_int("GATEWAY_TLS_PORT", default=0, low=0, high=65535)
GATEWAY_TLS_CERTIFICATES = env_list("GATEWAY_TLS_CERTIFICATES")
# On which of the two ports connections begin with a PROXY header.
GATEWAY_PROXY_PROTOCOL = env_text("GATEWAY_PROXY_PROTOCOL", default="off", choices=("off", "tls", "all"))
GATEWAY_MANAGEMENT_HOST = env_text("GATEWAY_MANAGEMENT_HOST", default="127.0.0.1")
# 0: there is no management server.
GATEWAY_MANAGEMENT_PORT = env_int("GATEWAY_MANAGEMENT_PORT", default=8081, low=0, high=65535)
GATEWAY_MANAGEMENT_URL = env_base_url(
    "GATEWAY_MANAGEMENT_URL", default=f"http://127.0.0.1:{GATEWAY_MANAGEMENT_PORT}" if GATEWAY_MANAGEMENT_PORT else ""
)
PORTAL_URL = env_base_url("PORTAL_URL", default=f"http://127.0.0.1:{PORTAL_PORT}")
# `{service}` in it stands for the service's name.
GATEWAY_URL = env_base_url("GATEWAY_URL", default=f"http://127.0.0.1:{GATEWAY_PORT}")
# Where the portal's own console reaches the gateway, which may be inside the network.
GATEWAY_INTERNAL_URL = env_base_url("GATEWAY_INTERNAL_URL", default=f"http://127.0.0.1:{GATEWAY_PORT}")
TRUSTED_PROXIES = env_list("TRUSTED_PROXIES")
_served_by_tls = PORTAL_URL.startswith("https://")
_portal_host = PORTAL_URL.split("://", 1)[1].split("/", 1)[0].rsplit(":", 1)[0].strip("[]")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", default=sorted({_portal_host, "127.0.0.1", "localhost"}))
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]

# -- Gateway -----------------------------------------------------------------------------------
GATEWAY_COMPILED = env_bool("GATEWAY_COMPILED", default=True)
GATEWAY_WORKERS = env_int("GATEWAY_WORKERS", default=1, low=1, high=64)
SNAPSHOT_FILE = DATA_DIR / "gateway" / "snapshot.msgpack"
TRACES_DIR = DATA_DIR / "gateway" / "traces"
JOURNAL_DIR = DATA_DIR / "journal"
JOURNAL_PART_BYTES = env_int("JOURNAL_PART_BYTES", default=64 * 2**20, low=2**16, high=2**32)
JOURNAL_PART_SECONDS = env_int("JOURNAL_PART_SECONDS", default=3600, low=1, high=86400)
JOURNAL_FSYNC_SECONDS = env_float("JOURNAL_FSYNC_SECONDS", default=1.0, low=0.0, high=60.0)
HEAD_LIMIT_BYTES = env_int("HEAD_LIMIT_BYTES", default=32 * 2**10, low=2**12, high=2**20)
HEAD_LIMIT_FIELDS = env_int("HEAD_LIMIT_FIELDS", default=200, low=20, high=10_000)
HEAD_TIMEOUT_SECONDS = env_float("HEAD_TIMEOUT_SECONDS", default=20.0, low=0.1, high=600.0)
BODY_TIMEOUT_SECONDS = env_float("BODY_TIMEOUT_SECONDS", default=60.0, low=0.1, high=3600.0)
BODY_MINIMUM_BYTES_PER_SECOND = env_int("BODY_MINIMUM_BYTES_PER_SECOND", default=240, low=0, high=2**30)
IDLE_TIMEOUT_SECONDS = env_float("IDLE_TIMEOUT_SECONDS", default=75.0, low=0.1, high=3600.0)
WEBSOCKET_IDLE_SECONDS = env_float("WEBSOCKET_IDLE_SECONDS", default=600.0, low=0.1, high=86400.0)
REQUEST_BODY_LIMIT_BYTES = env_int("REQUEST_BODY_LIMIT_BYTES", default=2**30, low=0, high=2**50)
MAX_CONNECTIONS = env_int("MAX_CONNECTIONS", default=10_000, low=1, high=1_000_000)
BACKEND_CONNECT_TIMEOUT_SECONDS = env_float("BACKEND_CONNECT_TIMEOUT_SECONDS", default=5.0, low=0.1, high=240.0)
BACKEND_TIMEOUT_SECONDS = env_float("BACKEND_TIMEOUT_SECONDS", default=60.0, low=0.1, high=240.0)
BACKEND_IDLE_SECONDS = env_float("BACKEND_IDLE_SECONDS", default=30.0, low=0.1, high=3600.0)
BACKEND_IDLE_CONNECTIONS = env_int("BACKEND_IDLE_CONNECTIONS", default=256, low=0, high=100_000)
STALL_LOG_SECONDS = env_float("STALL_LOG_SECONDS", default=0.05, low=0.01, high=60.0)
DRAIN_SECONDS = env_float("DRAIN_SECONDS", default=30.0, low=0.0, high=600.0)
# Empty: none; `-`: standard output; or a file.
ACCESS_LOG = env_text("ACCESS_LOG", default="")
# OpenTelemetry's own names. Its packages read more of them: see docs/operations.md.
OTEL_EXPORTER_OTLP_ENDPOINT = env_base_url("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
OTEL_TRACES_SAMPLER_ARG = env_float("OTEL_TRACES_SAMPLER_ARG", default=1.0, low=0.0, high=1.0)

# -- Console -----------------------------------------------------------------------------------
CONSOLE_TIMEOUT_SECONDS = env_float("CONSOLE_TIMEOUT_SECONDS", default=100.0, low=1.0, high=300.0)
CONSOLE_REQUEST_LIMIT_BYTES = env_int("CONSOLE_REQUEST_LIMIT_BYTES", default=4 * 2**20, low=1024, high=2**30)
CONSOLE_RESPONSE_LIMIT_BYTES = env_int("CONSOLE_RESPONSE_LIMIT_BYTES", default=32 * 2**20, low=1024, high=2**30)

# -- Django ------------------------------------------------------------------------------------
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "portalsettings",
    "accounts",
    "events",
    "audit",
    "backends",
    "apis",
    "subscriptions",
    "policies",
    "feedback",
    "service",
    "publisher",
    "analytics",
    "notifications",
    "alerts",
    "webhooks",
    "portal",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.google",
    "allauth.socialaccount.providers.microsoft",
    "allauth.socialaccount.providers.openid_connect",
    # Its packages need libraries of the system, so they are installed where they are wanted.
    *(["allauth.socialaccount.providers.saml"] if find_spec("onelogin") else []),
    "csp",
    "auditlog",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.localization.localize",
    "audit.middleware.note_acts",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.method_not_allowed.method_not_allowed",
    "allauth.account.middleware.AccountMiddleware",
    "portal.leaving.leave_by_a_page",
    "portal.activity.note_activity",
    "service.first_run.FirstRunMiddleware",
    "portal.visitors.signed_in_only",
    "portal.preview.PreviewMiddleware",
    "portal.delegation.DelegationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.page",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"


def _database() -> dict[str, Any]:
    """The database of DATABASE_URL; SQLite in DATA_DIR when there is none."""
    default = f"sqlite:///{DATA_DIR / 'db.sqlite3'}"
    try:
        database: dict[str, Any] = dict(dj_database_url.parse(env_text("DATABASE_URL", default=default)))
    except ValueError as error:
        raise SettingError("DATABASE_URL: give a URL such as postgresql://user:password@host/name.") from error
    if database["ENGINE"].endswith("sqlite3"):
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
        # A file, because threads cannot share a database in memory as they share this one.
        database["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}
    elif database["ENGINE"].endswith("postgresql"):
        database["CONN_MAX_AGE"] = 60
        database["CONN_HEALTH_CHECKS"] = True
    else:
        raise SettingError("DATABASE_URL: only postgresql and sqlite are supported.")
    return database


DATABASES = {"default": _database()}
REDIS_URL = env_text("REDIS_URL", default="")
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": DATA_DIR / "cache"}
    )
}

# -- What programs ask the portal for ----------------------------------------------------------
# JSON only: there are no pages to browse, so the package is no app. All is closed and throttled unless a view opens it.
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["portal.rest.throttling.ByCaller"],
    "DEFAULT_METADATA_CLASS": None,
    # Everything is JSON, whatever a query says.
    "URL_FORMAT_OVERRIDE": None,
    "EXCEPTION_HANDLER": "portal.rest.errors.answer",
}

# -- Call limits -------------------------------------------------------------------------------
GATEWAY_COUNTERS = env_text("GATEWAY_COUNTERS", default="redis" if REDIS_URL else "memory", choices=("memory", "redis"))
if GATEWAY_COUNTERS == "redis" and not REDIS_URL:
    raise SettingError("GATEWAY_COUNTERS: redis needs REDIS_URL.")
COUNTERS_TIMEOUT_SECONDS = env_float("COUNTERS_TIMEOUT_SECONDS", default=0.25, low=0.01, high=10.0)
COUNTERS_DOWN = env_text("COUNTERS_DOWN", default="allow", choices=("allow", "refuse"))

# -- Languages and time zones ------------------------------------------------------------------
# Each by its own name: who looks for his language may understand no other.
LANGUAGES = [("en", "English"), ("hu", "Magyar"), ("de", "Deutsch")]
# For whom neither profile nor browser says more, and for mails to such people.
LANGUAGE_CODE = env_text("LANGUAGE_CODE", default="en", choices=[code for code, _name in LANGUAGES])
TIME_ZONE = env_time_zone("TIME_ZONE", default="UTC")
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "portal.formats"
LANGUAGE_COOKIE_NAME = "apim_language"
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SECURE = _served_by_tls
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
FILE_UPLOAD_HANDLERS = ["portal.uploads.NoUpload"]
DATA_UPLOAD_MAX_MEMORY_SIZE = CONSOLE_REQUEST_LIMIT_BYTES + 2**16

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _served_by_tls
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_NAME = "apim_session"
CSRF_COOKIE_NAME = "apim_csrf"
SECURE_SSL_REDIRECT = _served_by_tls and env_bool("SECURE_SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = env_int("SECURE_HSTS_SECONDS", default=31_536_000 if _served_by_tls else 0, low=0, high=2**31)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _served_by_tls
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("BEHIND_TLS_PROXY", default=False) else None
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "portal.views.errors.csrf_failure"
CONTENT_SECURITY_POLICY = {
    # The admin's theme evaluates Alpine.js expressions, which a strict policy forbids.
    "EXCLUDE_URL_PREFIXES": ("/admin/",),
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}

# -- Accounts ----------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend", "accounts.roles.RoleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "portal:home"
ACCOUNT_ADAPTER = "portal.account_adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.NameForm"
ACCOUNT_FORMS = {
    "signup": "accounts.sign_up.SignUpForm",
    "add_email": "accounts.sign_up.NewAddressForm",
    "request_login_code": "accounts.sign_in.RequestCodeForm",
    "reset_password": "accounts.sign_in.RequestPasswordResetForm",
    "reset_password_from_key": "accounts.sign_in.NewPasswordForm",
}
ACCOUNT_RATE_LIMITS = {
    # People of one office share an address, so that it may sign up more than one of them.
    "signup": "20/m/ip,100/h/ip",
    "invitation": "20/m/ip",
    "address_undo": "20/m/ip",
    # accounts.lock_out counts what else concerns an account, in a way that shuts nobody out of it.
    "request_login_code": "20/m/ip",
    "why_refused": "30/m/user",
    "reset_password": "20/m/ip",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
# The adapter decides: where administrators want no such mail it is written and dropped, so that time does not tell.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_REDIRECT_URL = "portal:home"
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _served_by_tls else "http"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60
MFA_ADAPTER = "portal.second_factor_adapter.SecondFactorAdapter"
MFA_FORMS = {"add_webauthn": "accounts.passkey_form.AddPasskeyForm"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
# A code of the half minute before and after counts, for clocks that are not exact.
MFA_TOTP_TOLERANCE = 1
SOCIALACCOUNT_ADAPTER = "portal.identity_adapter.IdentityAdapter"
SOCIALACCOUNT_FORMS = {
    "signup": "accounts.social_sign_up.SocialSignUpForm",
    "disconnect": "accounts.disconnect_form.DisconnectForm",
}
SOCIALACCOUNT_AUTO_SIGNUP = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_PROVIDERS = {
    "google": {"SCOPE": ["profile", "email"], "OAUTH_PKCE_ENABLED": True},
    "github": {"SCOPE": ["read:user", "user:email"]},
    "openid_connect": {"OAUTH_PKCE_ENABLED": True},
}

# -- Mail --------------------------------------------------------------------------------------
# Every mail goes into the outbox, in the same transaction as what it tells of; the worker sends it.
EMAIL_BACKEND = "notifications.outbox.OutboxBackend"
MAIL_DELIVERY = env_text("MAIL_DELIVERY", default="file", choices=("file", "smtp"))
MAIL_DIR = DATA_DIR / "mail"
DEFAULT_FROM_EMAIL = env_text("DEFAULT_FROM_EMAIL", default="API Management <noreply@localhost>")
EMAIL_HOST = env_text("EMAIL_HOST", default="localhost")
EMAIL_PORT = env_int("EMAIL_PORT", default=25, low=1, high=65535)
EMAIL_HOST_USER = env_text("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env_secret("EMAIL_HOST_PASSWORD", low=0, default="")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", default=False)
EMAIL_USE_SSL = env_bool("EMAIL_USE_SSL", default=False)
EMAIL_TIMEOUT = 20

# -- Webhooks ----------------------------------------------------------------------------------
# Beside the public Internet.
WEBHOOK_ALLOWED_NETWORKS = env_networks("WEBHOOK_ALLOWED_NETWORKS")

# -- Administration ----------------------------------------------------------------------------
AUDITLOG_LOGENTRY_MODEL = "audit.Entry"
# The library's own table, which is not used.
MIGRATION_MODULES = {"auditlog": None}
# How long entries of the audit log are kept; 0: for ever. No setting of the portal, as who administers it is watched.
AUDIT_DAYS = env_int("AUDIT_DAYS", default=0, low=0, high=36_500)
UNFOLD = {
    "SITE_TITLE": "portal.administration.branding.title",
    "SITE_HEADER": "portal.administration.branding.header",
    "SITE_SUBHEADER": "portal.administration.branding.subheader",
    "SITE_ICON": "portal.administration.branding.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "portal.administration.branding.icon"}],
    "STYLES": ["portal.administration.branding.stylesheet"],
    "DASHBOARD_CALLBACK": "portal.administration.start.page.context",
    "SHOW_BACK_BUTTON": True,
    "SHOW_LANGUAGES": True,
    "BORDER_RADIUS": "6px",
    # The portal's accent, from its tint to its deepest.
    "COLORS": {
        "primary": {
            "50": "#f0f9f6",
            "100": "#e3f3ee",
            "200": "#c0e5da",
            "300": "#8be3cb",
            "400": "#62d3b6",
            "500": "#2fa88c",
            "600": "#0b6a58",
            "700": "#07503f",
            "800": "#084035",
            "900": "#13312a",
            "950": "#06241c",
        },
    },
    "SIDEBAR": {"show_search": True, "navigation": "portal.administration.navigation.sidebar"},
}

# -- Worker ------------------------------------------------------------------------------------
# How long a row for each single call is kept; 0: none is made.
RAW_CALL_DAYS = env_int("RAW_CALL_DAYS", default=30, low=0, high=3650)
# How much of callers' addresses is kept with their calls: truncated is the network of 24 bits, or of 48 for IPv6.
CALLER_ADDRESSES = env_text("CALLER_ADDRESSES", default="full", choices=("full", "truncated", "none"))
# A file in MaxMind's format, such as GeoLite2-Country.mmdb, which says what country an address is in.
GEOIP_DATABASE = env_text("GEOIP_DATABASE", default="")
# How long sums of calls by quarter of an hour and by day are kept, for reports.
ROLLUP_DAYS = env_int("ROLLUP_DAYS", default=731, low=1, high=36500)
# A folder that gets single calls as Parquet files, and a collector's URL for logs that gets them by OTLP; empty: none.
CALL_EXPORT_DIR = env_text("CALL_EXPORT_DIR", default="")
OTEL_EXPORTER_OTLP_LOGS_ENDPOINT = env_base_url("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", default="")
CELERY_BROKER_URL = env_text("CELERY_BROKER_URL", default="filesystem://")
if CELERY_BROKER_URL.startswith("filesystem:"):
    _queue = str(DATA_DIR / "queue")
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": _queue,
        "data_folder_out": _queue,
        "control_folder": str(DATA_DIR / "queue-control"),
        "polling_interval": 0.25,
    }
    # Spares a queue per worker; with a broker, `celery inspect` and `celery control` work.
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Nothing of the schedule is worth a file: what is due is in the database and in the journal.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"

# -- Logging -----------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env_text("LOG_LEVEL", default="INFO")},
}
# A unique index on the lower-cased address does what Django looks for in the field.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
