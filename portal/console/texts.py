"""What the console's script says, in the reader's language."""

from django.utils.translation import gettext as _


def texts() -> dict[str, str]:
    return {
        "send": _("Send"),
        "cancel": _("Cancel"),
        "sending": _("Sending …"),
        "slow": _("Taking longer than expected …"),
        "notJSON": _("This is not JSON: %(error)s"),
        "mayBeSentAgain": _("You can send again now."),
        "unreachable": _("The portal cannot be reached. Check your connection and send again."),
        "tooOld": _("This page is too old. Reload it and send again."),
        "gone": _("This operation is no longer there for you. Reload the page; you may have to sign in."),
        "failed": _("The portal failed with status %(status)s; the call may not have been sent."),
        "copied": _("Copied"),
        "copyYourself": _("Select and copy"),
        "restored": _("The inputs of that call are back. Send sends them again."),
        "refused": _("The call was not sent: see the fields that are marked."),
        "cancelled": _("Cancelled. The call may have been carried out."),
        "carried": _("The call was not sent, for you signed in or out meanwhile. Your inputs are back: send again."),
        "remembered": _("Your last inputs are back. Reset to example starts anew."),
    }
