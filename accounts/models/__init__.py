"""People, and what they belong to."""

from accounts.models.custom_fields import CUSTOM_VALUE_LENGTH, CustomField, CustomValue
from accounts.models.groups import (
    ADMINISTRATORS,
    DEVELOPERS,
    GUESTS,
    ClaimedMembership,
    Group,
    GroupQuerySet,
    GroupViewer,
    Viewer,
)
from accounts.models.invitations import Invitation, InvitationQuerySet
from accounts.models.people import AddressChange, StaffRole, User, UserManager, UserStateChange
from accounts.models.spent_tokens import SpentToken
from accounts.models.teams import Team, TeamInvitation, TeamInvitationQuerySet, TeamMembership, TeamQuerySet, TeamRole

__all__ = [
    "ADMINISTRATORS",
    "CUSTOM_VALUE_LENGTH",
    "DEVELOPERS",
    "GUESTS",
    "AddressChange",
    "ClaimedMembership",
    "CustomField",
    "CustomValue",
    "Group",
    "GroupQuerySet",
    "GroupViewer",
    "Invitation",
    "InvitationQuerySet",
    "SpentToken",
    "StaffRole",
    "Team",
    "TeamInvitation",
    "TeamInvitationQuerySet",
    "TeamMembership",
    "TeamQuerySet",
    "TeamRole",
    "User",
    "UserManager",
    "UserStateChange",
    "Viewer",
]
