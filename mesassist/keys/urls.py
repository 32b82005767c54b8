"""Addresses of the keys room under /t/<tenant>/."""

from django.urls import path

from mesassist.keys import pages

app_name = "keys"
urlpatterns = [
    path("keys/", pages.keys, name="keys"),
    path("keys/new/", pages.new, name="key-new"),
    path("keys/<str:shown>/rotate/", pages.rotate, name="key-rotate"),
    path("keys/<str:shown>/pause/", pages.pause, name="key-pause"),
    path("keys/<str:shown>/revoke/", pages.revoke, name="key-revoke"),
]
