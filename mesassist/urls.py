"""Addresses: the only module that knows every room."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from mesassist import pages
from mesassist.audit.urls import addresses as audit_addresses
from mesassist.people.entrance import admin_sign_in
from production import metrics
from production.viewing import plant_time

handler500 = "mesassist.unavailable.show_server_error"
urlpatterns = [
    path("", pages.home, name="home"),
    path("sign-out/", LogoutView.as_view(), name="sign-out"),
    path("", include("mesassist.people.urls")),
    path("healthz", pages.healthz, name="healthz"),
    path("readyz", pages.readyz, name="readyz"),
    path("metrics", metrics.show, name="metrics"),
    path("t/<slug:tenant>/", include("mesassist.people.tenant_urls")),
    path("t/<slug:tenant>/audit/", include(audit_addresses(plant_time))),
    path("t/<slug:tenant>/", include("mesassist.keys.urls")),
    path("t/<slug:tenant>/", include("dashboards.urls")),
    path("t/<slug:tenant>/", include("analyses.urls")),
    path("api/v1/", include("mesassist.api_urls")),
    path("admin/login/", admin_sign_in, name="admin-sign-in"),
    path("admin/", admin.site.urls),
]
