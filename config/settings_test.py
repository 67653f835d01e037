"""The settings of the test suite: the same, with what a throw-away database needs."""

from config.settings import *  # noqa: F403
from config.settings import DATABASES

# A pool keeps connections open, and a test database with open connections cannot be dropped.
DATABASES["default"]["OPTIONS"].pop("pool", None)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests count for themselves: tests/ground/test_security_cache.py has what is shared.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
METRICS_DIR = ""  # what another installation counts is none of the tests'
# Every test client has a handler of its own, which would otherwise read all static files first.
WHITENOISE_AUTOREFRESH = True
