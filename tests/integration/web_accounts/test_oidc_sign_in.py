"""Signing in by OpenID Connect: who is let in as whom, and what a provider or a thief cannot make us believe."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import httpx

from tests.integration.server.control import PATIENCE_S, logging_from, settings_in, workshop
from tests.integration.web_accounts.provider import CLIENT, FOREIGN_KEY, KEY, SECRET, Provider, code_and_state, provider
from tests.integration.web_accounts.site import Browser, Site, invite, quick_passwords, site, stopped_limits
from tests.integration.web_accounts.test_members_pages import id_of
from tests.web import EMAIL, PASSWORD

BEGIN, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"
CAROL = "carol@corp.example"


def with_provider(test: Callable[[Site, Provider], Awaitable[None]], domains: str = "") -> None:
    async def work() -> None:
        async with asyncio.timeout(2 * PATIENCE_S), workshop() as directory, provider() as made:
            oidc = {"oidc_issuer": made.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
            async with site(settings_in(directory, **oidc, oidc_domains=domains)) as visited:
                await test(visited, made)

    with logging_from("error"), quick_passwords(), stopped_limits(), no_proxy():
        asyncio.run(work())


def no_proxy() -> AbstractContextManager[Any]:
    """The server asks its provider through the host's proxy, if it has one; that does not know ours."""
    return patch.dict(os.environ, {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})


async def begin(browser: Browser, target: str = "/") -> str:
    """To the provider, which sends the browser back; returns where to."""
    away = await browser.get(BEGIN, params={"next": target})
    assert away.status_code == 303, away.text
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as elsewhere:
        back = await elsewhere.get(away.headers["location"])
    assert back.headers["location"].startswith(f"{browser.origin}{CALLBACK}?")
    return str(back.headers["location"])


async def sign_in(browser: Browser, status: int = 303, target: str = "/") -> httpx.Response:
    answer = await browser.get(await begin(browser, target))
    assert answer.status_code == status, answer.text
    return answer


def test_an_account_of_that_address_is_theirs_and_stays_so_under_a_new_address() -> None:
    async def test(site: Site, provider: Provider) -> None:
        await site.admin()
        assert "Sign in with 127.0.0.1" in await (await site.visit()).page("/sign-in")
        browser = await site.visit()
        provider.claims = {"email": EMAIL.upper()}
        answer = await sign_in(browser, target="/settings/keys")
        assert answer.headers["location"] == "/settings/keys"
        assert EMAIL in await browser.page("/settings/account")
        provider.claims = {"email": "ada@new.example"}
        again = await site.visit()
        await sign_in(again)
        assert EMAIL in await again.page("/settings/account")

    with_provider(test)


def test_who_is_invited_joins_and_who_is_not_does_not() -> None:
    async def test(site: Site, _: Provider) -> None:
        admin, browser = await site.admin(), await site.visit()
        assert "no account here" in (await sign_in(browser, 403)).text
        link = await invite(admin, CAROL, "admin")
        assert "Sign in with 127.0.0.1" in await browser.page(link)
        await sign_in(browser)
        assert "Carol" in await browser.page("/settings/members")
        await (await site.visit()).page(link, 404)
        await admin.submit(f"/settings/members/{await id_of(site, CAROL)}/remove")
        await sign_in(browser, 403)
        await invite(admin, CAROL)
        await sign_in(browser)

    with_provider(test)


def test_people_of_a_listed_domain_join_the_first_as_admin() -> None:
    async def test(site: Site, provider: Provider) -> None:
        first, second, third = await site.visit(), await site.visit(), await site.visit()
        await sign_in(first)
        assert "Invite somebody" in await first.page("/settings/members")
        provider.claims = {"sub": "2", "email": "dave@corp.example"}
        await sign_in(second)
        assert "Invite somebody" not in await second.page("/settings/members")
        provider.claims = {"sub": "3", "email": "eve@corp.example.evil.example"}
        await sign_in(third, 403)

    with_provider(test, domains=" Corp.example, other.example")


def test_the_first_person_is_not_whoever_the_provider_knows() -> None:
    async def test(site: Site, _: Provider) -> None:
        await sign_in(await site.visit(), 403)
        assert not await site.plane.store.people.exist()

    with_provider(test)


def test_an_address_is_asked_for_where_the_token_has_none() -> None:
    async def test(site: Site, provider: Provider) -> None:
        await site.admin()
        provider.claims = {"email": None, "email_verified": None}
        provider.more = {"email": EMAIL, "email_verified": True}
        await sign_in(await site.visit())
        provider.claims |= {"sub": "2"}
        await sign_in(await site.visit(), 403)  # userinfo is of somebody else

    with_provider(test)


def test_a_second_identity_does_not_take_over_an_account() -> None:
    async def test(site: Site, provider: Provider) -> None:
        await site.admin()
        provider.claims = {"email": EMAIL}
        await sign_in(await site.visit())
        provider.claims = {"email": EMAIL, "sub": "2"}
        await sign_in(await site.visit(), 403)

    with_provider(test)


CHEATS: list[dict[str, Any]] = [
    {"email_verified": False},
    {"email_verified": None},
    {"email": "\u212aelvin@example.com"},  # lower case of the Kelvin sign is k
    {"nonce": "another"},
    {"nonce": None},
    {"iss": "http://evil.example.com"},
    {"aud": "another client"},
    {"aud": [CLIENT, "another client"], "azp": "another client"},
    {"exp": 1},
    {"exp": None},
    {"sub": None},
]


def test_a_token_that_is_not_for_this_sign_in_is_not_believed() -> None:
    async def test(site: Site, provider: Provider) -> None:
        await site.admin()
        browser = await site.visit()
        for cheat in CHEATS:
            provider.claims = {"email": EMAIL} | cheat
            answer = await browser.get(await begin(browser))
            assert answer.status_code in {400, 403}, (cheat, answer.text)
            assert browser.session is None, cheat
        provider.claims = {"email": EMAIL}
        await sign_in(browser)

    with_provider(test)


def test_a_token_that_the_provider_has_not_signed_is_not_believed() -> None:
    async def test(site: Site, provider: Provider) -> None:
        await site.admin()
        provider.claims = {"email": EMAIL}
        for key, algorithm in ((FOREIGN_KEY, "RS256"), (KEY, "RS512"), (KEY, "HS256"), (None, "none")):
            provider.key, provider.algorithm = key, algorithm
            await sign_in(await site.visit(), 403)

    with_provider(test)


def test_who_comes_back_is_the_browser_that_left_and_comes_once() -> None:
    async def test(site: Site, provider: Provider) -> None:
        await site.admin()
        provider.claims = {"email": EMAIL}
        thief, victim = await site.visit(), await site.visit()
        back = await begin(thief)
        assert (await victim.get(back)).status_code == 403
        assert victim.session is None
        assert (await thief.get(back)).status_code == 403  # it has been used up
        back = await begin(thief)
        assert (await thief.get(back)).status_code == 303
        assert (await thief.get(back)).status_code == 403
        forged = code_and_state(await begin(thief)) | {"state": "forged"}
        assert (await thief.get(CALLBACK, params=forged)).status_code == 403

    with_provider(test)


def test_it_leads_to_no_other_site_and_begins_a_new_session() -> None:
    async def test(site: Site, provider: Provider) -> None:
        browser = await site.admin()
        former = browser.session
        provider.claims = {"email": EMAIL}
        answer = await sign_in(browser, target="//evil.example.com")
        assert answer.headers["location"] == "/"
        assert browser.session not in {None, former}

    with_provider(test)


def test_a_provider_that_talks_nonsense_is_told_of_calmly() -> None:
    async def test(site: Site, provider: Provider) -> None:
        await site.admin()
        browser = await site.visit()
        for answer in (b"not JSON", b"[]", b"{}", b'{"id_token": "x.y.z"}', b"x" * (1 << 20)):
            provider.answers_with = answer
            shown = await browser.get(await begin(browser))
            assert shown.status_code in {403, 503}, answer[:20]
            assert "provider" in shown.text
        await browser.enter("/sign-in", email=EMAIL, password=PASSWORD)

    with_provider(test)


def test_a_provider_that_is_not_what_the_settings_say_is_not_used() -> None:
    async def test(site: Site, provider: Provider) -> None:
        browser = await site.visit()
        for lie in ({"issuer": "http://evil.example.com"}, {"token_endpoint": "file:///etc/passwd"}, {"jwks_uri": 5}):
            provider.document = dict(lie)
            await browser.page(BEGIN, 503)

    with_provider(test)


def test_a_provider_that_is_away_is_told_of_calmly() -> None:
    async def test(site: Site, provider: Provider) -> None:
        browser = await site.visit()
        assert "at the moment" in await browser.page(BEGIN, 503)
        assert provider.issuer not in await browser.page(BEGIN, 503)

    async def work() -> None:
        async with asyncio.timeout(2 * PATIENCE_S), workshop() as directory:
            gone = Provider(issuer="http://127.0.0.1:1")
            oidc = {"oidc_issuer": gone.issuer, "oidc_client_id": CLIENT}
            async with site(settings_in(directory, **oidc)) as visited:
                await test(visited, gone)

    with logging_from("error"), no_proxy():
        asyncio.run(work())
