"""Headers: what every answer of the portal carries, also those that no page made: errors, files, streams, refusals."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# Nothing of the device; a security key alone may be asked for, by our own pages.
CLOSED = (
    *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture", "encrypted-media"),
    *("fullscreen", "gamepad", "geolocation", "gyroscope", "hid", "identity-credentials-get", "idle-detection"),
    *("local-fonts", "magnetometer", "microphone", "midi", "otp-credentials", "payment", "picture-in-picture"),
    *("screen-wake-lock", "serial", "storage-access", "usb", "window-management", "xr-spatial-tracking"),
)
OURS = ("publickey-credentials-create", "publickey-credentials-get")
HEADERS = {
    "Permissions-Policy": ", ".join([*(f"{name}=()" for name in CLOSED), *(f"{name}=(self)" for name in OURS)]),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}


def stamp_headers(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, the outermost: whatever went wrong inside has become an answer here."""

    def serve(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        wanted = HEADERS | {
            "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
            "X-Frame-Options": settings.X_FRAME_OPTIONS,
        }
        if settings.SECURE_HSTS_SECONDS and request.is_secure():
            wanted["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}; includeSubDomains; preload"
        for name, value in wanted.items():
            response.headers.setdefault(name, value)
        return response

    return serve
