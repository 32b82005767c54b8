"""API addresses: the doors of every room under /api/v1/, the schema, its page, and one answer for the rest."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from analyses.api import addresses as of_analyses
from mesassist.tenants.apidoor import NothingHere
from production.api import addresses as of_production

OPEN: dict[str, list[object]] = {"authentication_classes": [], "permission_classes": []}

# The schema and its page are public: they describe doors and hold no data.
urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(**OPEN), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(template_name="api_docs.html", **OPEN), name="docs"),
    *of_production,
    *of_analyses,
    re_path(r"^", NothingHere.as_view(), name="nothing-here"),
]
