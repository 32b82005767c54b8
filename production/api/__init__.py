"""API: the plant's doors for other programs; `addresses` is what `mesassist.api_urls` hangs under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from production.api.events import EventsDoor
from production.api.master import (
    CycleDoor,
    LineDoor,
    MachineDoor,
    OrderDoor,
    ProductDoor,
    ReasonDoor,
    ShiftDoor,
    SiteDoor,
)
from production.api.summaries import SummaryDoor

router = SimpleRouter()
router.register("sites", SiteDoor)
router.register("lines", LineDoor)
router.register("machines", MachineDoor)
router.register("products", ProductDoor)
router.register("cycles", CycleDoor)
router.register("reasons", ReasonDoor)
router.register("shifts", ShiftDoor)
router.register("orders", OrderDoor)
router.register("summaries", SummaryDoor)

addresses = [path("events/", EventsDoor.as_view(), name="events"), *router.urls]
