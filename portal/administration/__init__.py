"""The pages of those who publish and administer: Django's admin, in django-unfold's looks."""
