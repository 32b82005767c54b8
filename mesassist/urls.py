"""Addresses: the only module that knows every room."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from mesassist import pages
from production import metrics

urlpatterns = [
    path("", pages.home, name="home"),
    path("sign-in/", pages.SignIn.as_view(), name="sign-in"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("healthz", pages.healthz, name="healthz"),
    path("readyz", pages.readyz, name="readyz"),
    path("metrics", metrics.show, name="metrics"),
    path("t/<slug:tenant>/", include("dashboards.urls")),
    path("t/<slug:tenant>/", include("analyses.urls")),
    path("api/v1/", include("mesassist.api_urls")),
    path("admin/", admin.site.urls),
]
