"""Publishing terms of use."""

from django.db import transaction

from portalsettings.models import PortalSettings, Terms


def publish(text: str) -> Terms | None:
    """Make the text the terms in force, as a new version where it is another one; empty takes them back."""
    text = text.strip().replace("\r\n", "\n")
    with transaction.atomic():
        # Two who save at once make one version after the other.
        PortalSettings.objects.select_for_update().filter(pk=1).first()
        in_force = Terms.objects.in_force()
        if text == (in_force.text if in_force else ""):
            return in_force
        return Terms.objects.create(text=text)
