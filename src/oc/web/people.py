"""The people's side of the dashboard, put together."""

from __future__ import annotations

from starlette.routing import BaseRoute

from oc.server.plane import Plane
from oc.web import account, device, device_calls, invitations, keys, members, oidc, sign_in, sign_up
from oc.web.account import Account
from oc.web.device import Device
from oc.web.entrance import Entrance
from oc.web.guard import Guard
from oc.web.invitations import Accept
from oc.web.keys import Keys
from oc.web.limits import Attempts
from oc.web.members import Members
from oc.web.oidc import Oidc
from oc.web.pages import Pages
from oc.web.passwords import Passwords
from oc.web.sign_in import SignIn, SignOut
from oc.web.sign_up import SignUp


def routes(plane: Plane, guard: Guard, pages: Pages) -> list[BaseRoute]:
    return [*_coming_in(plane, guard, pages), *_settings(plane, guard, pages), *_devices(plane, guard, pages)]


def _coming_in(plane: Plane, guard: Guard, pages: Pages) -> list[BaseRoute]:
    """`words` and `attempts` are shared: a guess is a guess, whichever form it is typed into."""
    store, settings = plane.store, plane.settings
    trail, words, attempts = plane.trail, Passwords(), Attempts()
    entrance = Entrance(guard, store, trail)
    signing_in = SignIn(settings, pages, store.people, entrance, words, attempts, trail)
    signing_up = SignUp(settings, pages, store.people, entrance, words, attempts)
    accepting = Accept(settings, pages, store, entrance, words, attempts, signing_in, trail)
    return [
        *sign_in.routes(guard, signing_in, SignOut(guard, store)),
        *sign_up.routes(guard, signing_up),
        *oidc.routes(guard, Oidc(settings, store, entrance, attempts, trail)),
        *invitations.routes(guard, accepting),
        *account.routes(guard, Account(settings, pages, store, words, attempts)),
    ]


def _settings(plane: Plane, guard: Guard, pages: Pages) -> list[BaseRoute]:
    settings, store, door = plane.settings, plane.store, plane.door
    return [
        *keys.routes(guard, Keys(settings, pages, store.accounts, door)),
        *members.routes(guard, Members(settings, pages, store, door)),
    ]


def _devices(plane: Plane, guard: Guard, pages: Pages) -> list[BaseRoute]:
    """`oc login` and `oc logout`."""
    return [
        *device.routes(guard, Device(pages, plane.store.device_logins)),
        *device_calls.routes(plane.settings, plane.store, plane.door, plane.trail),
    ]
