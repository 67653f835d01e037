"""Django settings, read from the environment.

Every variable is listed in docs/operations.md. Where `DATABASE_URL` or `REDIS_URL` is unset the
embedded servers of `make up` are used; `SECRET_KEY` and `ALLOWED_HOSTS` then have generated values,
and without them a production start is refused.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bootstrap_wrapper
import environ

from accounts.limits import Limit, parse_limit
from config import embedded, logs, sign_in


class _Environ(environ.Env):  # type: ignore[misc]
    """The environment, where an empty variable is an unset one."""

    # But an empty DATABASE_ROLE asks for none, where an unset one takes what can be had.
    ENVIRON = {
        name: value for name, value in os.environ.items() if value or name == "DATABASE_ROLE"
    }


env = _Environ()
BASE_DIR = Path(__file__).resolve().parent.parent

TOCSIN_DATA = embedded.data_dir(os.environ)
EMBEDDED = not env.str("DATABASE_URL", "") or env.bool("TOCSIN_EMBEDDED", False)
_embedded_env = embedded.connection_env(TOCSIN_DATA) if EMBEDDED else {}


def _required(name: str, *, embedded_value: str) -> str:
    value: str = env.str(name, "")
    if value:
        return value
    if EMBEDDED:
        return embedded_value
    raise environ.ImproperlyConfigured(f"Set {name}: production does not start without it.")


def _limit(name: str) -> Limit | None:
    try:
        return parse_limit(env.str(name, ""))
    except ValueError as error:
        raise environ.ImproperlyConfigured(f"{name}: {error}") from error


PORT = env.int("PORT", 8000)
BASE_URL = env.str("BASE_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
BASE_HOST = urlsplit(BASE_URL).netloc
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = _required("SECRET_KEY", embedded_value=_embedded_env.get("SECRET_KEY", ""))
ALLOWED_HOSTS = [
    host
    for host in _required(
        "ALLOWED_HOSTS", embedded_value=f"{urlsplit(BASE_URL).hostname},127.0.0.1,localhost,[::1]"
    ).split(",")
    if host
]
CSRF_TRUSTED_ORIGINS = [BASE_URL]
TOCSIN_ROLE = env.str("TOCSIN_ROLE", "all")  # all, web or ingest

# --- what an operator may limit -------------------------------------------------------------
PUSH_LANE = env.str("PUSH_LANE", "on") != "off"
API_LIMIT = _limit("API_LIMIT")  # requests of one key, such as 600/min
PUSH_LIMIT_SLUG = _limit("PUSH_LIMIT_SLUG")  # pushes of one monitor, in one process
PUSH_LIMIT_ADDRESS = _limit("PUSH_LIMIT_ADDRESS")  # pushes from one address, in one process
PUSH_LIMIT_TEAM = _limit("PUSH_LIMIT_TEAM")  # pushes of one team, in one process
MONITOR_QUOTA: int | None = env.int("MONITOR_QUOTA", None)
RESULT_DAYS = env.int("RESULT_DAYS", 90)
TEAM_DELETION_DAYS = env.int("TEAM_DELETION_DAYS", 7)  # from being asked for to being done
AUDIT_DAYS = env.int("AUDIT_DAYS", 400)  # 0: the audit log is kept for ever
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
OUTBOUND_ALLOW = tuple(
    ipaddress.ip_network(cidr.strip(), strict=False)
    for cidr in env.str("OUTBOUND_ALLOW", "").split(",")
    if cidr.strip()
)

# --- who watches the watcher ------------------------------------------------------------------
# Where our own pushes go, to try the public path; elsewhere only if we cannot reach BASE_URL (which
# is the loopback port where it is not set).
CANARY_URL = env.str("CANARY_URL", BASE_URL).rstrip("/")
CANARY_SECONDS = env.int("CANARY_SECONDS", 5)  # 0: none
CANARY_GAP_SECONDS = env.int("CANARY_GAP_SECONDS", 300)  # at most so much of an hour is held back
WATCHDOG_SECONDS = env.int("WATCHDOG_SECONDS", 600)  # 0: none
WATCHDOG_URL = env.str("WATCHDOG_URL", "")  # pinged each minute while all is well
MASS_GUARD_SECONDS = min(60, env.int("MASS_GUARD_SECONDS", 30))  # 0: nothing is held back
MASS_GUARD_TEAMS = env.int("MASS_GUARD_TEAMS", 3)
MASS_GUARD_MONITORS = env.int("MASS_GUARD_MONITORS", 50)
MASS_GUARD_PERCENT = env.int("MASS_GUARD_PERCENT", 20)
OPERATOR_EMAIL = tuple(
    address.strip() for address in env.str("OPERATOR_EMAIL", "").split(",") if address.strip()
)
OPERATOR_GAP_SECONDS = env.int("OPERATOR_GAP_SECONDS", 10)  # shorter gaps are told to nobody
# Parts of the engine that the standby begins where their stamps are old: stamp, function.
STANDBY_PARTS = (
    ("canary", "config.tasks.start_canary"),
    ("watch", "config.tasks.start_watching"),
)

# --- status pages ---------------------------------------------------------------------------
PAGES_EXPORT_DIR = env.str("PAGES_EXPORT_DIR", "")  # public pages are written here as files too
# Who is asked for the proof of a custom domain, as address or address:port; else the system's.
DNS_SERVERS = tuple(
    server.strip() for server in env.str("DNS_SERVERS", "").split(",") if server.strip()
)

# What Twilio's kinds use where a channel or contact method names no account of its own.
TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", "")
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", "")
TWILIO_FROM = env.str("TWILIO_FROM", "")

# --- applications ---------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # its site is config/admin.py
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_scopes",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_htmx",
    "heroicons",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "accounts",
    "monitors",
    "incidents",
    "statuspages",
    "manifests",
]
MIDDLEWARE = [
    "config.requests.ObserveRequests",
    "django.middleware.security.SecurityMiddleware",
    "config.csp.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sessions.NoteSession",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.console.reading.ReaderZone",
]
ROOT_URLCONF = "config.urls_ingest" if TOCSIN_ROLE == "ingest" else "config.urls"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.csp.nonce",
            ],
        },
    }
]
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- database and broker --------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(env.str("DATABASE_URL", "") or _embedded_env["DATABASE_URL"])
}
DATABASES["default"]["ENGINE"] = "accounts.database"
DATABASES["default"].setdefault("OPTIONS", {})
# Each ASGI request runs in a thread of its own: a pool keeps connections across them, bounded.
# At most DJANGO_SLOTS requests run at once in a process (config/asgi.py), so none waits for one.
DJANGO_SLOTS = env.int("DJANGO_SLOTS", 8)
# Messages that one process sends at once. Each may have its outcome to record at the same moment.
SENDERS = 32
DATABASES["default"]["OPTIONS"]["pool"] = {
    "min_size": 0,
    "max_size": (SENDERS if logs.sends_messages(sys.argv) else DJANGO_SLOTS) + 4,
    "timeout": 2,
    "max_idle": 60,
    # A pool that goes on trying doubles its pauses, and all wait for it long after the database has
    # come back: give up, and let the next request try anew.
    "reconnect_timeout": 1,
    "reconnect_failed": lambda pool: pool.drain(),  # what it still has is broken too
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["OPTIONS"]["connect_timeout"] = 5
# A process that freezes in a transaction (stopped, its machine lost) holds locks that the others
# wait for: the database ends its session, and the network gives a dead peer up.
DATABASES["default"]["OPTIONS"]["options"] = (
    "-c idle_in_transaction_session_timeout=10s -c lock_timeout=10s"
)
DATABASES["default"]["OPTIONS"]["tcp_user_timeout"] = 10_000
# The role that sees one team (docs/adr/0008); empty: none. Where it is named it must be there.
DATABASE_ROLE_REQUIRED = bool(env.str("DATABASE_ROLE", ""))
DATABASE_ROLE = env.str("DATABASE_ROLE", "tocsin_app")
# The login that owns the tables, where DATABASE_URL's does not: for migrations and partitions.
OWNER_DATABASE: dict[str, Any] | None = None
if env.str("MIGRATION_DATABASE_URL", ""):
    _owner = env.db_url_config(env.str("MIGRATION_DATABASE_URL"))
    _options = {**DATABASES["default"]["OPTIONS"], **_owner.get("OPTIONS", {}), "pool": False}
    _places = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
    OWNER_DATABASE = {**{name: _owner[name] for name in _places}, "OPTIONS": _options}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.str("REDIS_URL", "") or _embedded_env.get("REDIS_URL", "redis://127.0.0.1:6379/0")

# --- people ---------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Tocsin] "
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_RATE_LIMITS = {"confirm_email": "1/3s/key"}
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a mail says what changed in an account, when and from where
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300  # seconds
ACCOUNT_FORMS = {
    "signup": "accounts.console.sign_in.SignUpForm",
    "add_email": "accounts.console.sign_in.AnotherAddressForm",
    "login": "accounts.console.sign_in.PasswordLoginForm",
    "reset_password": "accounts.console.sign_in.PasswordResetForm",
}
MFA_ADAPTER = "accounts.adapter.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "accounts.console.sign_in.CodeForm",
    "reauthenticate": "accounts.console.sign_in.CodeAgainForm",
    "authenticate_webauthn": "accounts.console.sign_in.PasskeyStepForm",
    "reauthenticate_webauthn": "accounts.console.sign_in.PasskeyAgainForm",
    "login_webauthn": "accounts.console.sign_in.PasskeyLoginForm",
    "add_webauthn": "accounts.console.sign_in.PasskeyForm",
    "edit_webauthn": "accounts.console.sign_in.PasskeyNameForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Tocsin"
MFA_TOTP_TOLERANCE = 1  # one step to either side: phones' clocks drift
# The first address is confirmed before anybody gets in; a further one may wait meanwhile.
MFA_ALLOW_UNVERIFIED_EMAIL = True
# Browsers give passkeys to plain HTTP at the machine itself only, and so do we.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = sign_in.is_plain_loopback(BASE_URL)
OIDC = sign_in.read_oidc(os.environ)
SOCIALACCOUNT_PROVIDERS = sign_in.provider_settings(OIDC)
SOCIALACCOUNT_ADAPTER = "accounts.adapter.ServerLoginAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True  # the adapter says whose address counts
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10  # seconds
USERSESSIONS_TRACK_ACTIVITY = False  # accounts.sessions does it, with a write a minute at most
SESSION_COOKIE_AGE = 14 * 24 * 3600  # seconds, for whoever stays logged in
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https:")
# --- what browsers are told (the policy of scripts is config/csp.py) --------------------------
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True  # scripts read the token from the page
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# What `check --deploy` would have and an installation decides itself: the proxy in front leads
# people to https, while devices that push may speak plain http and follow no redirect; subdomains
# of BASE_URL's host, and a browser's preload list, are not ours to bind.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
# There is no SECURE_PROXY_SSL_HEADER: it would believe anybody. The server takes X-Forwarded-Proto
# and X-Forwarded-For from the addresses in FORWARDED_ALLOW_IPS alone (config/httpserver.py).
if BASE_URL.startswith("https:"):
    SECURE_HSTS_SECONDS = 31_536_000
    ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https"
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "config.cache.SharedCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "tocsin",
    }
}

# --- mail -----------------------------------------------------------------------------------
MAIL_DIR = TOCSIN_DATA / "mail"
if env.str("EMAIL_URL", ""):
    globals().update(env.email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "incidents.channels.mailfiles.EmailBackend"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str(
    "DEFAULT_FROM_EMAIL", f"Tocsin <tocsin@{urlsplit(BASE_URL).hostname or 'localhost'}>"
)
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- API ------------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["accounts.api.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "accounts.api.pagination.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "accounts.api.problems.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": False,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Tocsin",
    "DESCRIPTION": "Push monitoring for services that nobody can probe from outside.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["accounts.api.schema.drop_optional_slashes"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.openapi.complete_document",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AutoPost": "statuspages.models.pages.AutoPost",
        "Visibility": "statuspages.models.pages.Visibility",
        "ComponentRule": "statuspages.models.components.Rule",
        "ShiftUnit": ["hour", "day", "week"],
        "PageLocale": "statuspages.services.pages.LOCALES",
        "PushStatus": ["pass", "fail", "up", "down"],
        "PushOutcome": ["pass", "fail"],
        "PushState": ["up", "down", "paused"],
        "BulkVerb": ["pause", "resume", "delete"],
        "ApplyVerb": ["created", "updated", "unchanged", "deleted"],
        "ActorKind": ["member", "key", "staff"],
        "SubscriberKind": "statuspages.models.subscribers.SubscriberKind",
        "SubscriberState": ["waiting", "confirmed", "disabled"],
        "AlertmanagerStatus": ["firing", "resolved"],
    },
}

# --- static files ---------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", None)  # where collectstatic puts them; else they are found
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "config.staticfiles.HashedFiles"
        if STATIC_ROOT
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
# Bootstrap's files come with their wheel, as /static/bootstrap/css/… and …/js/…
STATICFILES_DIRS: list[Any] = [
    BASE_DIR / "static",
    ("bootstrap", bootstrap_wrapper.get_bootstrap_dir()),
]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 300  # of plain names; hashed ones are kept for good

# --- language and time ----------------------------------------------------------------------
LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- what operators watch: no slug and no token ever reaches a log ---------------------------
OBSERVER = "config.telemetry.start"
METRICS_DIR = env.str("METRICS_DIR", str(TOCSIN_DATA / "run" / "metrics"))  # of this machine alone
try:
    LOGGING: dict[str, Any] = logs.logging_config(
        logs.log_form(os.environ),
        level=env.str("LOG_LEVEL", "") or "INFO",
        access=logs.logs_requests(os.environ),
    )
except ValueError as error:
    raise environ.ImproperlyConfigured(str(error)) from error
