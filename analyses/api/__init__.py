"""API: the assistant's doors for other programs; `addresses` is what `mesassist.api_urls` hangs under /api/v1/."""

from django.urls import path

from analyses.api.history import AnalysesDoor, AnalysisDoor, CancelDoor, PreviewDoor, RerunDoor, SlipDoor
from analyses.api.settings import AssistantDoor, ModelsDoor, TrialDoor

addresses = [
    path("analyses/", AnalysesDoor.as_view(), name="analyses"),
    path("analyses/preview/", PreviewDoor.as_view(), name="analyses-preview"),
    path("analyses/<uuid:pk>/", AnalysisDoor.as_view(), name="analysis"),
    path("analyses/<uuid:pk>/slip/", SlipDoor.as_view(), name="analysis-slip"),
    path("analyses/<uuid:pk>/cancel/", CancelDoor.as_view(), name="analysis-cancel"),
    path("analyses/<uuid:pk>/rerun/", RerunDoor.as_view(), name="analysis-rerun"),
    path("assistant/", AssistantDoor.as_view(), name="assistant"),
    path("assistant/models/", ModelsDoor.as_view(), name="assistant-models"),
    path("assistant/test/", TrialDoor.as_view(), name="assistant-test"),
]
