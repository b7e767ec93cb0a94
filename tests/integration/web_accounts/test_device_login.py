"""`oc login` as the server sees it: who asks, who approves, and what a code is worth (RFC 8628, contract 1.7)."""

from __future__ import annotations

from typing import Any

import httpx

from oc.api.timestamps import SECOND, now
from oc.store.device_logins import INTERVAL_S, LASTS_S, MOST_OF_ADDRESS
from oc.web.limits import OF_ADDRESS, OF_EMAIL
from tests.integration.web_accounts.site import Browser, Site, visit
from tests.integration.web_accounts.test_members_pages import BOB, id_of

ASK, EXCHANGE, CREDENTIAL = "/auth/cli/device", "/auth/cli/device/exchange", "/auth/cli/credential"


async def ask(oc: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    answer = await oc.post(ASK, headers={"Content-Type": "application/json", **headers})
    assert answer.status_code == 200, answer.text
    asked: dict[str, Any] = answer.json()
    return asked


async def exchange(oc: httpx.AsyncClient, asked: dict[str, Any], name: str = "oc on laptop") -> httpx.Response:
    return await oc.post(EXCHANGE, json={"device_code": asked["device_code"], "credential_name": name})


async def approve(browser: Browser, asked: dict[str, Any]) -> None:
    await browser.submit("/device", code=asked["user_code"], decision="approve")


def test_a_login_is_approved_in_the_browser_and_its_key_fetched_once() -> None:
    async def test(site: Site) -> None:
        admin, oc = await site.admin(), await site.visit()
        asked = await ask(oc)
        assert (asked["expires_in"], asked["interval"]) == (LASTS_S, INTERVAL_S)
        assert asked["verification_uri"] == f"{site.origin}/device"
        assert asked["verification_uri_complete"] == f"{site.origin}/device?code={asked['user_code']}"
        assert asked["device_code"] not in asked["verification_uri_complete"]

        pending = await exchange(oc, asked)
        assert (pending.status_code, pending.json()) == (202, {"status": "authorization_pending"})
        page = await admin.page(f"/device?code={asked['user_code'].replace('-', '').lower()}")
        assert asked["user_code"] in page
        assert "127.0.0.1" in page
        assert "default" in page
        assert "only if you have just typed" in page
        await approve(admin, asked)

        granted = await exchange(oc, asked, " oc on\x1b <b>laptop</b>\n" + 200 * "x")
        assert granted.status_code == 200
        body = granted.json()
        assert body["status"] == "authorized"
        key = body["credential"]["key"]
        assert body["credential"]["key_prefix"] == key[:8]
        assert body["credential"]["name"] == ("oc on? <b>laptop</b> " + 200 * "x")[:100]
        assert body["user"]["email"] == "admin@example.com"
        assert (await site.whoami(key)).json()["user_id"] == body["user"]["id"]
        assert (await site.whoami(key)).json()["org_id"] == body["org"]["id"]
        page = await admin.page("/settings/keys")
        assert "&lt;b&gt;laptop" in page
        assert ">oc login<" in page
        again = await exchange(oc, asked)
        assert (again.status_code, again.json()) == (410, {"error": "authorization_expired"})

    visit(test)


def test_logging_out_revokes_the_key_at_once() -> None:
    async def test(site: Site) -> None:
        admin, oc = await site.admin(), await site.visit()
        asked = await ask(oc)
        await approve(admin, asked)
        key = (await exchange(oc, asked)).json()["credential"]["key"]
        async with site.api(key) as api:
            assert (await api.get("/api/whoami")).status_code == 200
            assert (await api.delete(CREDENTIAL)).status_code == 204
            assert (await api.get("/api/whoami")).status_code == 401
            assert (await api.delete(CREDENTIAL)).status_code == 401
        assert (await oc.delete(CREDENTIAL)).status_code == 401

    visit(test)


def test_a_denied_login_and_an_old_one_get_no_key() -> None:
    async def test(site: Site) -> None:
        admin, oc = await site.admin(), await site.visit()
        denied, old = await ask(oc), await ask(oc)
        await admin.submit("/device", code=denied["user_code"], decision="deny")
        answer = await exchange(oc, denied)
        assert (answer.status_code, answer.json()) == (403, {"error": "authorization_denied"})
        await admin.submit("/device", 404, code=denied["user_code"], decision="approve")
        await site.pass_time("device_logins", LASTS_S)
        assert (await exchange(oc, old)).status_code == 410
        await admin.submit("/device", 404, code=old["user_code"], decision="approve")

    visit(test)


def test_a_link_with_a_code_approves_nothing_by_itself() -> None:
    async def test(site: Site) -> None:
        admin, oc = await site.admin(), await site.visit()
        asked = await ask(oc)
        code = {"code": asked["user_code"]}
        await admin.get("/device", params={**code, "decision": "approve"})
        own = {"Origin": site.origin}
        assert (await admin.post("/device", data={**code, "decision": "approve"}, headers=own)).status_code == 403
        await admin.submit("/device", 400, **code, decision="perhaps")
        assert (await exchange(oc, asked)).status_code == 202

    visit(test)


def test_who_was_removed_after_approving_gives_no_key() -> None:
    async def test(site: Site) -> None:
        admin, oc = await site.admin(), await site.visit()
        member, asked = await site.member(admin, BOB), await ask(oc)
        await approve(member, asked)
        await admin.submit(f"/settings/members/{await id_of(site, BOB)}/remove")
        assert (await exchange(oc, asked)).status_code == 403
        assert len(await site.plane.store.accounts.keys()) == 0

    visit(test)


def test_who_polls_too_fast_is_told_to_wait() -> None:
    async def test(site: Site) -> None:
        oc = await site.visit()
        asked = await ask(oc)
        assert "retry_after" not in (await exchange(oc, asked)).json()
        await site.execute(f"UPDATE device_logins SET polled_at = {now() + 3600 * SECOND}")
        too_fast = await exchange(oc, asked)
        assert too_fast.status_code == 202
        assert too_fast.json() == {"status": "authorization_pending", "retry_after": 2 * INTERVAL_S}

    visit(test)


def test_an_address_has_few_logins_waiting() -> None:
    async def test(site: Site) -> None:
        oc = await site.visit()
        for _ in range(MOST_OF_ADDRESS):
            await ask(oc)
        refused = await oc.post(ASK)
        assert (refused.status_code, refused.json()) == (429, {"error": "rate_limited"})
        await ask(oc, **{"X-Forwarded-For": "192.0.2.1"})

    visit(test)


def test_who_guesses_codes_has_to_wait() -> None:
    async def test(site: Site) -> None:
        admin, oc = await site.admin(), await site.visit()
        asked = await ask(oc)
        for _ in range(OF_EMAIL):
            await admin.page("/device?code=BCDF-GHJK", 404)
        await admin.page(f"/device?code={asked['user_code']}", 429)
        await admin.submit("/device", 429, code=asked["user_code"], decision="approve")
        for _ in range(OF_ADDRESS):
            assert (await exchange(oc, {"device_code": "guessed"})).status_code == 410
        assert (await exchange(oc, asked)).status_code == 429

    visit(test)


def test_what_is_no_exchange_is_refused_by_its_code() -> None:
    async def test(site: Site) -> None:
        oc = await site.visit()
        for content in (b"", b"[]", b"{}", b'{"device_code": 1}', b"x" * (2 << 20)):
            answer = await oc.post(EXCHANGE, content=content)
            assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})

    visit(test)
