"""Early: the same judgement before anything is saved, so that a person hears of a hopeless address at once.

What is decided here is decided again, and for good, when the address is dialled.
"""

from mesassist.tenants.egress.names import find_addresses
from mesassist.tenants.egress.routes import Route, find_route
from mesassist.tenants.models import Purpose


def judge_url(*, url: str, purpose: Purpose) -> Route:
    """The route to a web address for the active tenant; raises `Blocked`.

    A name that does not resolve yet is let through: whoever dials it will see.
    """
    route = find_route(url=url, purpose=purpose)
    for address in find_addresses(route.target.host, route.target.port):
        route.admit(address)
    return route
