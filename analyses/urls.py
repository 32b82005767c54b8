"""Addresses of the analyses room, under /t/<tenant>/."""

from django.urls import path

from analyses import circuits, pages

app_name = "analyses"
urlpatterns = [
    path("panel/", pages.panel, name="panel"),
    path("panel/analyse/", pages.analyse, name="analyse"),
    path("panel/slip/", pages.slip, name="slip"),
    path("analyses/", pages.history, name="history"),
    path("analyses/<uuid:analysis_id>/", pages.detail, name="detail"),
    path("analyses/<uuid:analysis_id>/card/", pages.card, name="card"),
    path("analyses/<uuid:analysis_id>/cancel/", pages.stop, name="cancel"),
    path("analyses/<uuid:analysis_id>/rerun/", pages.again, name="rerun"),
    path("ask/", pages.ask, name="ask"),
    path("assistant/", pages.assistant, name="assistant"),
    path("assistant/try/", circuits.try_again, name="assistant-try"),
    path("assistant/test/", pages.test_connection, name="assistant-test"),
    path("assistant/propose/", pages.propose, name="assistant-propose"),
]
