"""Who is told what: intents first, then one outgoing message for each."""

from incidents.notifications.compose import Contact, contacts_of, queue_notices, test_channel
from incidents.notifications.fallback import mail_owners_if_unreached

__all__ = [
    "Contact",
    "contacts_of",
    "mail_owners_if_unreached",
    "queue_notices",
    "test_channel",
]
