"""A working configuration for every kind of channel, against a provider on loopback."""

from __future__ import annotations

SLACK = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
DISCORD = "/api/webhooks/245037420704169985/ig5AO-wdVWpCBtUUMxmgsWryqgsW3DChbKYOINftJ4DC"
TEAMS = "/workflows/0123456789abcdef0123456789abcdef/invoke?sig=Zm9vYmFyYmF6cXV4Zm9v"
TWILIO = {
    "to": "+15005550006",
    "from": "+15005550001",
    "account_sid": "AC" + "0a" * 16,
    "auth_token": "0123456789abcdef0123456789abcdef",
}

# What a new kind must add: its name, and what `clean` takes for a provider at `base`.
SAMPLES = {
    "alertmanager": lambda base: {"url": base, "token": "am-token-0123456789"},
    "discord": lambda base: {"url": base + DISCORD},
    "email": lambda base: {"to": ["ana@acme.example"]},
    "ntfy": lambda base: {"url": base, "topic": "acme", "token": "tk_0123456789abcdef"},
    "opsgenie": lambda base: {
        "api_key": "01234567-89ab-cdef-0123-456789abcdef",
        "api_url": base,
    },
    "pagerduty": lambda base: {"routing_key": "R0123456789abcdef0123456789abcde", "api_url": base},
    "pushover": lambda base: {"user_key": "u" * 30, "app_token": "a0" * 15, "api_url": base},
    "slack": lambda base: {"url": base + SLACK},
    "teams": lambda base: {"url": base + TEAMS},
    "telegram": lambda base: {
        "bot_token": "123456789:AAH-abcdefghijklmnopqrstuvwxyz_12345",
        "chat_id": -1001234567890,
        "api_url": base,
    },
    "twilio_sms": lambda base: {**TWILIO, "api_url": base},
    "twilio_voice": lambda base: {**TWILIO, "api_url": base},
    "webhook": lambda base: {"url": base + "/hook"},
}
