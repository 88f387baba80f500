"""What administrators want to know of people beside their names."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.people import User
from accounts.names import validate_name

CUSTOM_VALUE_LENGTH = 1000


class CustomField(models.Model):
    """Something that administrators want to know of people, asked at sign-up and changed in the profile."""

    class Kind(models.TextChoices):
        TEXT = "text", _("Text")
        CHOICE = "choice", _("Choice")
        CHECK_BOX = "check-box", _("Check box")
        NUMBER = "number", _("Number")
        URL = "url", _("URL")

    label = models.CharField(_("label"), max_length=100, unique=True, validators=[validate_name])
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, default=Kind.TEXT)
    choices = models.TextField(
        _("choices"), blank=True, max_length=10_000, help_text=_("Of a choice only: one a line.")
    )
    required = models.BooleanField(
        _("required"), default=False, help_text=_("A check box that is required has to be ticked.")
    )
    help_text = models.CharField(_("help"), max_length=300, blank=True)
    max_length = models.PositiveSmallIntegerField(
        _("maximum length"),
        default=200,
        validators=[MinValueValidator(1), MaxValueValidator(CUSTOM_VALUE_LENGTH)],
        help_text=_("Of a text or a URL, in characters."),
    )
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.label

    @property
    def choice_list(self) -> list[str]:
        return [line.strip() for line in self.choices.splitlines() if line.strip()]

    def clean(self) -> None:
        if self.kind == self.Kind.CHOICE and not self.choice_list:
            raise ValidationError({"choices": _("Write the choices, one a line.")})
        if any(len(choice) > CUSTOM_VALUE_LENGTH for choice in self.choice_list):
            raise ValidationError(
                {"choices": _("A choice has at most %(limit)s characters.") % {"limit": CUSTOM_VALUE_LENGTH}}
            )


class CustomValue(models.Model):
    """What a person has filled in."""

    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="custom_values")
    field = models.ForeignKey(CustomField, verbose_name=_("field"), on_delete=models.CASCADE, related_name="values")
    value = models.CharField(_("value"), max_length=CUSTOM_VALUE_LENGTH)

    class Meta:
        verbose_name = _("custom value")
        verbose_name_plural = _("custom values")
        ordering = ["field__position", "field"]
        constraints = [models.UniqueConstraint(fields=["user", "field"], name="custom_value_once")]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"
