"""Settings: everything from the environment; `.env.example` lists every variable with its default."""

from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from mesassist.logs import logging_config

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def required(name: str, hint: str) -> str:
    """The variable's value; a missing one stops the start with a sentence that says what to do."""
    value: str = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. {hint}")
    return value


# --- what must be there -------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = required("SECRET_KEY", "Set it to a long random text (see .env.example).")
TOKEN_KEYS = required("TOKEN_KEYS", "Set it to id:base64 of 32 random bytes, newest first.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
DEMO = env.bool("DEMO", default=False)

# --- rooms --------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "knox",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "mesassist",
    "mesassist.tenants",
    "mesassist.audit",
    "mesassist.people",
    "production",
    "analyses",
    "dashboards",
]
MIDDLEWARE = [
    # These two first: a refusal by one of the others (a wrong host, a redirect to HTTPS) carries their headers too.
    "mesassist.headers.stamp_headers",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mesassist.audit.caller.introduce_caller",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mesassist.people.freshness.FreshAdminMiddleware",
    "mesassist.tenants.middleware.PlatformAdminMiddleware",
    "mesassist.people.presence.PresenceMiddleware",
    "mesassist.pages.show_our_own_not_found",
    "mesassist.unavailable.UnavailableMiddleware",
]
ROOT_URLCONF = "mesassist.urls"
ASGI_APPLICATION = "mesassist.asgi.application"
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
                "mesassist.tenants.doors.describe_place",
                "analyses.pages.describe_assistant",
            ],
        },
    },
]
CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "bootstrap5"

# --- data ---------------------------------------------------------------------------------------
# The app role, never the owner: what the portal runs as can neither migrate nor bypass row-level security.
required("DATABASE_URL", "Start the portal with `make run`, or set it to postgresql://role:password@host/name.")
DATABASES = {"default": env.db("DATABASE_URL")}
DATABASES["default"]["ENGINE"] = "mesassist.tenants.postgres"
DATABASES["default"]["CONN_MAX_AGE"] = 0  # under ASGI and threads a kept connection leaks; the pool keeps them instead
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if pool_size := env.int("DATABASE_POOL_SIZE", default=0):
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": pool_size, "timeout": 10}}
REDIS_URL = required("REDIS_URL", "Start the portal with `make run`, or set it to redis://host:6379/0.")
CELERY_BROKER_URL = REDIS_URL
CACHES = {
    "default": {
        "BACKEND": "mesassist.people.cache.SteadyCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "mesassist",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG

# --- people -------------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["mesassist.people.backend.OneHashBackend"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ADMIN_FRESH_S = env.int("ADMIN_FRESH_S", default=1800)
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0)
ACCOUNT_ADAPTER = "mesassist.people.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_CHANGE_EMAIL = ACCOUNT_SESSION_REMEMBER = ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
MFA_ADAPTER = "mesassist.people.adapters.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
# Accounts come by invitation, so nobody locks others out by claiming their address; and without mail none is proved.
MFA_ALLOW_UNVERIFIED_EMAIL = MFA_PASSKEY_LOGIN_ENABLED = MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "mesassist"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG
SOCIALACCOUNT_ADAPTER = "mesassist.people.oidc.ProviderAdapter"
EMAIL_URL = env.str("EMAIL_URL", default="") or ("consolemail://" if DEBUG else "dummymail://")
vars().update(env.email_url_config(EMAIL_URL))
MAIL_REACHES_PEOPLE = not EMAIL_URL.startswith(("consolemail", "dummymail"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("MAIL_FROM", default="mesassist@localhost")
PORTAL_CONTACT = env.str("PORTAL_CONTACT", default="")

# --- language and time: UTC inside, the site's zone on screen -------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("pl", "Polski"), ("ru", "Русский"), ("ko", "한국어")]
LOCALE_PATHS = [BASE_DIR / "locale"]

# --- walls --------------------------------------------------------------------------------------
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
BEHIND_TLS = env.bool("BEHIND_TLS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
if BEHIND_TLS:  # a browser takes these names over TLS, for this very host and its whole path only
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

DEFAULT_EXCEPTION_REPORTER = "mesassist.tenants.reports.ScrubbedReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "mesassist.tenants.reports.SafeAlways"

# --- the REST door --------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mesassist.tenants.rest.ApiKeyAuthentication",
        "mesassist.tenants.rest.BrowserSession",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mesassist.tenants.rest.DoorPermission"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["mesassist.tenants.rest.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "mesassist.tenants.rest.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "mesassist.tenants.rest.answer_problem",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Api-Key", "TOKEN_MODEL": "tenants.ApiKey", "TOKEN_TTL": None}
MIGRATION_MODULES = {"knox": None}  # its own table is swapped for ours and would only stand empty
KNOX_TOKEN_MODEL = "tenants.ApiKey"  # noqa: S105 - the name of a model, not a secret
SPECTACULAR_SETTINGS = {
    "TITLE": "mesassist",
    "DESCRIPTION": "Production events in, honest figures and analyses out.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
}
API_KEY_PEPPERS = env.str("API_KEY_PEPPERS", default="")
KEY_REQUESTS_PER_MINUTE = env.int("KEY_REQUESTS_PER_MINUTE", default=6000)
TENANT_REQUESTS_PER_MINUTE = env.int("TENANT_REQUESTS_PER_MINUTE", default=24_000)
EVENTS_PER_REQUEST = env.int("EVENTS_PER_REQUEST", default=5000)
INGEST_TIMEOUT_S = env.float("INGEST_TIMEOUT_S", default=30.0)
INGEST_AT_ONCE = env.int("INGEST_AT_ONCE", default=16)
INGEST_AT_ONCE_PER_TENANT = env.int("INGEST_AT_ONCE_PER_TENANT", default=8)
KAFKA_GROUP = env.str("KAFKA_GROUP", default="mesassist")
KAFKA_SESSION_S = env.float("KAFKA_SESSION_S", default=10.0)
KAFKA_INSTANCE = env.str("KAFKA_INSTANCE", default="")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
IMPORT_MAX_BYTES = env.int("IMPORT_MAX_BYTES", default=200 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = env.int("UPLOAD_MAX_BYTES", default=8 * 1024 * 1024)

# --- the assistant --------------------------------------------------------------------------------
# What a new tenant's assistant starts with; each tenant then has its own.
OFFLINE_ANALYST_URL = env.str("OFFLINE_ANALYST_URL", default="http://127.0.0.1:8009/v1")
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="")
# Whoever sets these runs the platform, so they count as approved (docs/egress.md); a default does not.
PLATFORM_MODEL_URLS = [env.str("OFFLINE_ANALYST_URL", default=""), OPENAI_BASE_URL]
APPROVED_ENDPOINTS = env.list("APPROVED_ENDPOINTS", default=[])
OPENAI_MODEL = env.str("OPENAI_MODEL", default="")
MODEL_DEADLINE_S = env.float("MODEL_DEADLINE_S", default=180.0)
MODEL_CONNECT_TIMEOUT_S = env.float("MODEL_CONNECT_TIMEOUT_S", default=5.0)
MODEL_IDLE_TIMEOUT_S = env.float("MODEL_IDLE_TIMEOUT_S", default=60.0)
MODEL_ANSWER_MAX_BYTES = env.int("MODEL_ANSWER_MAX_BYTES", default=2 * 1024 * 1024)
ANALYSIS_LEASE_S = env.float("ANALYSIS_LEASE_S", default=30.0)
ANALYSIS_MAX_ATTEMPTS = env.int("ANALYSIS_MAX_ATTEMPTS", default=3)
ANALYSIS_BACKOFF_S = env.float("ANALYSIS_BACKOFF_S", default=2.0)
ANALYSIS_EXPIRES_S = env.float("ANALYSIS_EXPIRES_S", default=3600.0)
ANALYSES_AT_ONCE_PER_TENANT = env.int("ANALYSES_AT_ONCE_PER_TENANT", default=8)
ANALYSES_AT_ONCE_PER_ENDPOINT = env.int("ANALYSES_AT_ONCE_PER_ENDPOINT", default=64)
ANALYSES_QUEUED_PER_TENANT = env.int("ANALYSES_QUEUED_PER_TENANT", default=1000)
MODEL_SLOTS = env.int("MODEL_SLOTS", default=32)
BREAKER_AFTER = env.int("BREAKER_AFTER", default=5)
BREAKER_WAIT_S = env.float("BREAKER_WAIT_S", default=5.0)
BREAKER_MOST_S = env.float("BREAKER_MOST_S", default=300.0)
WORKER_MEMORY_MB = env.int("WORKER_MEMORY_MB", default=1024)
CELERY_WORKER_MAX_MEMORY_PER_CHILD = WORKER_MEMORY_MB * 1024
CANARY_S = env.float("CANARY_S", default=20.0)

LOGGING = logging_config(debug=DEBUG)
