"""People, teams, what they may do, and the keys their scripts use."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.timezone import now

from accounts.ids import uuid7
from accounts.tenancy import TenantKey, TenantModel

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
validate_slug = RegexValidator(
    SLUG_PATTERN,
    "Use 1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends.",
)
# Words that are, or may become, paths of ours.
RESERVED_SLUGS = frozenset({"results", "ping", "push", "api", "status", "staff", "static", "new"})


class UserManager(BaseUserManager["User"]):
    """Users are found and made by e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a person; the address is stored in lower case."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create an operator of the installation; whoever can do so vouches for the address."""
        from accounts.teams import verify_address

        user = self.create_user(
            email, password, **{"is_staff": True, "is_superuser": True} | fields
        )
        verify_address(user)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """Find a person whatever the case of the address."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person; the e-mail address is the name."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField("e-mail address", max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_any_case")]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        """Return what to call this person."""
        return self.name or self.email


class Plan(models.Model):
    """What an operator sells: how many monitors, how much history, and a flat rate for each.

    Cadence, pushes, channels and members never change the bill. `rate` is per monitor and month
    in `currency` (ISO 4217). New teams get the one plan that is the default, if there is one.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80, unique=True)
    monitor_quota = models.PositiveIntegerField(
        null=True, blank=True, help_text="How many monitors a team may have; empty for no limit."
    )
    history_days = models.PositiveIntegerField(
        default=90, validators=[MinValueValidator(1)], help_text="How far back results are shown."
    )
    rate = models.DecimalField(
        max_digits=10,
        decimal_places=4,
        default=0,
        validators=[MinValueValidator(0)],
        help_text="Per monitor and month.",
    )
    currency = models.CharField(
        max_length=3,
        default="EUR",
        validators=[RegexValidator("^[A-Z]{3}$", "Use the three letters of ISO 4217.")],
    )
    is_default = models.BooleanField(default=False, help_text="Given to new teams.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="plan_one_default",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Team(models.Model):
    """A tenant. Its slug is also its first namespace.

    A `monitor_quota` of its own goes before its plan's. Once an owner has asked for its deletion,
    `delete_at` says when it is erased; until then any owner can call that off.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=120)
    plan = models.ForeignKey(
        Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="teams"
    )
    monitor_quota = models.PositiveIntegerField(
        null=True, blank=True, help_text="Goes before the plan's; empty for the plan's."
    )
    delete_at = models.DateTimeField(null=True, blank=True, db_index=True)
    delete_asked_by = models.CharField(max_length=254, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.slug


class Namespace(TenantModel):
    """A name that monitors live under, unique in the installation: the first user claims it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint("team", "id", name="namespace_team_id")]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do, from most to least."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Membership(TenantModel):
    """A person's place in a team. Until they have accepted it, nothing pages them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    accepted_at = models.DateTimeField(null=True, default=now)
    # What whoever made the place calls the person, whose own name is no matter of a team's that
    # they have not joined.
    given_name = models.CharField(max_length=120, default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("team", "user", name="membership_once"),
            models.UniqueConstraint("team", "id", name="membership_team_id"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"

    @property
    def name(self) -> str:
        """Return the person's name: their own once they have accepted the place."""
        return self.user.name if self.accepted_at is not None else self.given_name

    def get_full_name(self) -> str:
        """Return what to call this person in the team."""
        return self.name or self.user.email


class Invitation(TenantModel):
    """An open place in a team for whoever holds the link and proves the address.

    The link's token is kept as its SHA-256; it works once, until `expires_at`. The address is in
    lower case. `sent_at` is null while no mail server has taken the mail.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    token_hash = models.BinaryField(max_length=32, unique=True)
    invited_by = models.CharField(max_length=254, default="", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "team",
                Lower("email"),
                condition=models.Q(accepted_at=None),
                name="invitation_open_once",
            )
        ]
        indexes = [
            models.Index("email", name="invitation_open", condition=models.Q(accepted_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"


class Scope(models.TextChoices):
    """What a key may do: each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class ApiKey(TenantModel):
    """A script's credential. The key is `tk_<prefix>_<secret>`; only its SHA-256 is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    scope = models.CharField(max_length=5, choices=Scope.choices, default=Scope.READ)
    prefix = models.CharField(max_length=8, unique=True)
    key_hash = models.BinaryField(max_length=32)
    created_by = models.ForeignKey(
        Membership,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [TenantKey(field="created_by", name="apikey_created_by_team")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"


class AuditEvent(TenantModel):
    """What a person or key did to one thing in one transaction. Written by triggers, append-only.

    The database refuses every later change. `before` and `after` hold the fields that changed,
    secrets hidden; what was made has no before, what was deleted no after. Events outlive what
    they tell of. Only age (`AUDIT_DAYS`) and whoever erases a whole team delete them: by
    `SET LOCAL tocsin.audit_purge = on`.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    at = models.DateTimeField()
    transaction = models.BigIntegerField()
    request = models.UUIDField()
    actor = models.CharField(max_length=254)
    by = models.CharField(max_length=6)
    address = models.CharField(max_length=64)
    action = models.CharField(max_length=64)
    kind = models.CharField(max_length=40)
    thing_id = models.UUIDField()
    thing_name = models.CharField(max_length=253)
    before = models.JSONField()
    after = models.JSONField()

    class Meta:
        constraints = [
            # One event for a thing in a transaction; a backend's own rows alone can collide.
            models.UniqueConstraint(
                fields=["transaction", "request", "kind", "thing_id"], name="auditevent_once"
            )
        ]
        indexes = [models.Index(fields=["team", "-at", "-id"], name="auditevent_of_team")]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.thing_name}"


class KeptAnswer(TenantModel):
    """The first answer to an `Idempotency-Key`, kept for a day; no status yet while it is made.

    `digest` names caller, path and key; `body` is encrypted by the caller's own API key.
    """

    digest = models.CharField(max_length=64, primary_key=True)
    request_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(null=True)

    def __str__(self) -> str:
        return f"answer of {self.created_at}"
