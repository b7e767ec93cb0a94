"""Signing up, in and out, and what must not work on the way."""

from __future__ import annotations

import stat

import pytest
from argon2 import PasswordHasher

from oc.store import setup_code
from oc.web.limits import OF_ADDRESS, OF_EMAIL
from tests.integration.web_accounts.site import Browser, Site, visit
from tests.web import EMAIL, PASSWORD


def test_the_first_person_signs_up_signs_out_and_signs_in_again() -> None:
    async def test(site: Site) -> None:
        browser = await site.visit()
        assert "Set up OpenComputer" in await browser.page("/sign-up")
        answer = await browser.enter("/sign-up", name="Ada", email=f" {EMAIL.upper()}", password=PASSWORD)
        assert answer.headers["location"] == "/"
        assert "default" in await browser.page("/settings/account")
        await browser.submit("/sign-out")
        assert not await browser.is_signed_in()
        await browser.enter("/sign-in", email=EMAIL, password=PASSWORD)
        assert await browser.is_signed_in()

    visit(test)


def test_nobody_signs_up_after_the_first() -> None:
    async def test(site: Site) -> None:
        await site.admin()
        stranger = await site.visit()
        assert "by invitation" in await stranger.page("/sign-up")
        answer = await stranger.enter("/sign-up", 409, name="", email="eve@example.com", password=PASSWORD)
        assert "invitation" in answer.text
        assert stranger.session is None

    visit(test)


WRONG = ((" x ", PASSWORD), (EMAIL, "short"), ("ada-lovelace@example.com", "Ada-Lovelace@example.com"))


def test_a_form_that_is_refused_keeps_what_was_typed() -> None:
    async def test(site: Site) -> None:
        browser = await site.visit()
        for email, password in WRONG:
            answer = await browser.enter("/sign-up", 400, name="<b>Ada</b>", email=email, password=password)
            assert f'value="{email}"' in answer.text
            assert "&lt;b&gt;Ada" in answer.text
            assert "<b>Ada" not in answer.text
            assert f'value="{password}"' not in answer.text

    visit(test)


def test_where_others_can_reach_the_server_the_first_person_knows_the_setup_code() -> None:
    async def test(site: Site) -> None:
        settings = site.plane.settings
        code = setup_code.to_show(settings)
        assert code
        assert stat.S_IMODE(setup_code.path(settings).stat().st_mode) == 0o600
        browser = await site.visit()
        assert str(setup_code.path(settings)) in await browser.page("/sign-up")
        for wrong in ("", "WRNG-CODE-WRNG-CODE"):
            answer = await browser.enter("/sign-up", 403, email=EMAIL, password=PASSWORD, code=wrong)
            assert code not in answer.text
        await browser.enter("/sign-up", email=EMAIL, password=PASSWORD, code=code.lower())
        assert setup_code.to_show(settings) is None

    visit(test, public_url="http://oc.example.com")


def test_a_name_that_was_pointed_at_a_local_server_does_not_spare_the_setup_code() -> None:
    """DNS rebinding: Host and Origin agree, and are somebody else's."""

    async def test(site: Site) -> None:
        browser = await site.visit(Host="evil.example.com")
        form = {"name": "", "email": EMAIL, "password": PASSWORD}
        answer = await browser.post("/sign-up", data=form, headers={"Origin": "http://evil.example.com"})
        assert answer.status_code == 403
        assert not await site.plane.store.people.exist()

    visit(test)


def test_signing_in_makes_a_new_session_whatever_cookie_the_browser_brings() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        first = admin.session
        planted = await site.visit()
        planted.cookies.set("oc_session", "x" * 43, domain="127.0.0.1")
        answer = await planted.enter("/sign-in", email=EMAIL, password=PASSWORD)
        cookie = answer.headers["set-cookie"]
        assert "x" * 43 not in cookie
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        await admin.enter("/sign-in", email=EMAIL, password=PASSWORD)
        assert admin.session != first
        assert not await with_cookie(await site.visit(), first)

    visit(test)


def test_a_stolen_cookie_is_worth_nothing_after_signing_out() -> None:
    async def test(site: Site) -> None:
        admin = await site.admin()
        stolen = admin.session
        assert await with_cookie(await site.visit(), stolen)
        await admin.submit("/sign-out")
        assert not await with_cookie(await site.visit(), stolen)

    visit(test)


async def with_cookie(browser: Browser, cookie: str | None) -> bool:
    assert cookie
    browser.cookies.set("oc_session", cookie, domain="127.0.0.1")
    return await browser.is_signed_in()


def test_over_https_the_cookie_is_this_hosts_alone() -> None:
    async def test(site: Site) -> None:
        browser, code = await site.visit(), setup_code.read(site.plane.settings)
        answer = await browser.enter("/sign-up", name="", email=EMAIL, password=PASSWORD, code=code or "")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-oc_session=")
        assert "Secure" in cookie

    visit(test, public_url="https://oc.example.com")


ELSEWHERE = (
    "//evil.example.com",
    "https://evil.example.com/",
    "/\\evil.example.com",
    "javascript:x",
    "/\t/evil.example.com",
)


def test_signing_in_leads_nowhere_else() -> None:
    async def test(site: Site) -> None:
        browser = await site.admin()
        for target in ELSEWHERE:
            assert (await browser.get("/sign-in", params={"next": target})).headers["location"] == "/"
            answer = await browser.enter("/sign-in", email=EMAIL, password=PASSWORD, next=target)
            assert answer.headers["location"] == "/", target

    visit(test)


def test_who_must_sign_in_comes_back_to_where_they_wanted_to_go() -> None:
    async def test(site: Site) -> None:
        await site.admin()
        browser = await site.visit()
        asked = await browser.get("/device?code=BCDF-GHJK")
        assert asked.headers["location"].startswith("/sign-in?next=")
        assert 'value="/device?code=BCDF-GHJK"' in await browser.page(asked.headers["location"])
        answer = await browser.enter("/sign-in", email=EMAIL, password=PASSWORD, next="/device?code=BCDF-GHJK")
        assert answer.headers["location"] == "/device?code=BCDF-GHJK"

    visit(test)


def test_an_unknown_address_and_a_wrong_password_look_the_same() -> None:
    async def test(site: Site) -> None:
        await site.admin()
        browser = await site.visit()
        unknown = await browser.enter("/sign-in", 401, email="who@example.com", password="wrong password")
        wrong = await browser.enter("/sign-in", 401, email=EMAIL, password="wrong password")
        assert wrong.text.replace(EMAIL, "who@example.com") == unknown.text
        assert "wrong password" not in wrong.text

    visit(test)


@pytest.mark.parametrize("email", [EMAIL, "who@example.com"])
def test_who_guesses_passwords_has_to_wait_whether_there_is_such_an_account_or_not(email: str) -> None:
    async def test(site: Site) -> None:
        await site.admin()
        for number in range(OF_EMAIL):
            browser = await site.visit(**{"X-Forwarded-For": f"192.0.2.{number}"})
            await browser.enter("/sign-in", 401, email=email, password="wrong password")
        answer = await browser.enter("/sign-in", 429, email=email, password=PASSWORD)
        assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
        assert browser.session is None

    visit(test)


def test_who_guesses_addresses_has_to_wait() -> None:
    async def test(site: Site) -> None:
        await site.admin()
        browser = await site.visit(**{"X-Forwarded-For": "203.0.113.9, 192.0.2.7"})
        for number in range(OF_ADDRESS):
            await browser.enter("/sign-in", 401, email=f"{number}@example.com", password="wrong password")
        await browser.enter("/sign-in", 429, email=EMAIL, password=PASSWORD)
        elsewhere = await site.visit(**{"X-Forwarded-For": "192.0.2.7, 192.0.2.8"})
        await elsewhere.enter("/sign-in", email=EMAIL, password=PASSWORD)

    visit(test)


def test_signing_in_rightly_costs_no_attempts() -> None:
    async def test(site: Site) -> None:
        browser = await site.admin()
        for _ in range(OF_EMAIL + 1):
            await browser.enter("/sign-in", email=EMAIL, password=PASSWORD)

    visit(test)


def test_a_password_that_was_kept_with_older_parameters_is_kept_anew() -> None:
    async def test(site: Site) -> None:
        browser, people = await site.admin(), site.plane.store.people
        person = await people.by_email(EMAIL)
        assert person
        old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD)
        await people.set_password_hash(person.id, old)
        await browser.enter("/sign-in", email=EMAIL, password=PASSWORD)
        fresh = (await people.get(person.id)).password_hash
        assert fresh != old
        await browser.enter("/sign-in", email=EMAIL, password=PASSWORD)
        assert (await people.get(person.id)).password_hash == fresh

    visit(test)
