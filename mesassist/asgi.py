"""ASGI: the door that uvicorn opens."""

import os
import threading

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mesassist.settings")
application = get_asgi_application()

# Better not to serve at all than to tell every tenant that its token is wrong.
from mesassist.tenants.canary import stop_unless_fit  # noqa: E402 - needs the settings

stop_unless_fit()

# The vocabulary takes a second to load: better now than in somebody's first click.
from analyses.tokens import count_tokens  # noqa: E402 - needs the settings

threading.Thread(target=count_tokens, args=("",), daemon=True).start()
