"""Who is told what: intents first, then one outgoing message for each."""

from incidents.notifications.compose import Contact, contacts_of, queue_notices, test_channel

__all__ = [
    "Contact",
    "contacts_of",
    "queue_notices",
    "test_channel",
]
