"""What programs ask the portal for, as JSON by Django REST framework."""
