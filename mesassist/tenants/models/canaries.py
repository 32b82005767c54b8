"""Canaries: what tells a process at its start that its keys are those of this database."""

from django.db import models


class KeyCanary(models.Model):
    """A small text sealed with one key. The platform's, of no tenant."""

    key_id = models.CharField(max_length=40, primary_key=True)
    sealed = models.TextField()
    made_at = models.DateTimeField()

    class Meta:
        verbose_name = "key canary"
        verbose_name_plural = "key canaries"

    def __str__(self) -> str:
        return self.key_id
