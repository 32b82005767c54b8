"""Admin: for platform staff: second factors to be reset, sessions to be ended; nothing secret is shown."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

# Providers are rows of tenants, and no token of theirs is kept.
for unused in (SocialApp, SocialToken):
    admin.site.unregister(unused)
for model in (Authenticator, SocialAccount, UserSession):
    admin.site.unregister(model)


class EndOnlyAdmin(admin.ModelAdmin):
    """Rows that people make themselves: staff read them and end them."""

    list_select_related = ("user",)
    search_fields = ("user__username", "user__email")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one."""
        return False


@admin.register(Authenticator)
class FactorAdmin(EndOnlyAdmin):
    """Second factors. Deleting one lets a person in who lost it."""

    list_display = ("user", "type", "created_at", "last_used_at")
    fields = ("user", "type", "created_at", "last_used_at")


@admin.register(SocialAccount)
class LinkAdmin(EndOnlyAdmin):
    """Who came through which tenant's own sign-in."""

    list_display = ("user", "provider", "last_login")
    fields = ("user", "provider", "uid", "date_joined", "last_login")


@admin.register(UserSession)
class SessionAdmin(EndOnlyAdmin):
    """Sessions. Deleting one ends it with its next request."""

    list_display = ("user", "ip", "user_agent", "created_at", "last_seen_at")
    fields = ("user", "ip", "user_agent", "created_at", "last_seen_at")

    def delete_model(self, request: HttpRequest, obj: UserSession) -> None:
        """End the session, not only its row in this list."""
        obj.end()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[UserSession]) -> None:
        """The same for several."""
        for session in queryset:
            session.end()
