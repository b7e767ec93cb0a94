"""Secret stores in a browser: made, changed, filled and deleted; what is typed as a value is never shown."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from tests.integration.web_sandboxes.stand import HOSTILE, Desk, work_at
from tests.integration.web_secrets.stores import VALUE, get, make, policies, put


def test_a_store_is_made_changed_and_deleted() -> None:
    async def test(at: Desk) -> None:
        id = await make(at, " production ", "api.example.com\r\n*.example.org")
        row = await get(at, id)
        assert (row.name, row.egress_allowlist) == ("production", ("api.example.com", "*.example.org"))
        assert "production" in (await at.page("/secrets")).text
        page = await at.page(f"/secrets/{id}")
        assert page.form(f"/secrets/{id}").values["hosts"] == "api.example.com\n*.example.org"
        await at.send(f"/secrets/{id}", f"/secrets/{id}", name="staging", hosts="")
        row = await get(at, id)
        assert (row.name, row.egress_allowlist) == ("staging", ())
        await at.send(f"/secrets/{id}", f"/{id}/delete")
        assert await at.plane.store.secret_stores.get(id) is None
        assert "No stores yet" in (await at.page("/secrets")).text

    work_at(test)


def test_a_secret_is_set_again_and_deleted_and_its_value_is_nowhere() -> None:
    async def test(at: Desk) -> None:
        id = await make(at, "s")
        await put(at, id, "API_KEY", hosts="api.example.com, *.example.org")
        (secret,) = await at.plane.store.secret_stores.secrets(id)
        assert (secret.name, secret.allowed_hosts) == ("API_KEY", ("api.example.com", "*.example.org"))
        page = await at.page(f"/secrets/{id}?done=set")
        assert "api.example.com, *.example.org" in page.text
        former = secret.value
        await put(at, id, "API_KEY", f"{VALUE}-2")
        (secret,) = await at.plane.store.secret_stores.secrets(id)
        assert secret.value != former
        assert secret.allowed_hosts == ()
        for path in ("/secrets", f"/secrets/{id}", "/settings/audit"):
            assert VALUE not in (await at.page(path)).text
        await at.send(f"/secrets/{id}", "/secrets/API_KEY/delete")
        assert await at.plane.store.secret_stores.secrets(id) == []

    with capture_logs() as logs:
        work_at(test)
    assert VALUE not in repr(logs)


def test_sandboxes_that_use_a_store_are_named_and_follow_it() -> None:
    async def test(at: Desk) -> None:
        store = await make(at, "s")
        await put(at, store, "API_KEY")
        id = await at.create(store="s")
        assert f'href="/sandboxes/{id}/egress"' in (await at.page(f"/secrets/{store}")).text
        (granted,) = policies(at, id)[-1]["secrets"]
        assert (granted["name"], granted["value"]) == ("API_KEY", VALUE)
        await put(at, store, "API_KEY", "another")
        assert policies(at, id)[-1]["secrets"] == [granted | {"value": "another"}]
        await at.send(f"/secrets/{store}", f"/{store}/delete")
        assert policies(at, id)[-1]["secrets"] == []

    work_at(test)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"secret": "1A", "value": VALUE}, "no digit first"),
        ({"secret": "A", "value": VALUE, "secret_hosts": "https://x"}, "is not a host name"),
        ({"secret": "A", "value": ""}, "value must not be empty"),
        ({"secret": "A", "value": VALUE * 2000}, "value is too long"),
    ],
)
def test_what_was_typed_stays_but_the_value(typed: dict[str, str], words: str) -> None:
    async def test(at: Desk) -> None:
        id = await make(at, "s")
        refused = await at.browser.submit(f"/secrets/{id}/secrets", 413 if "long" in words else 400, **typed)
        assert words in refused.text
        assert f'value="{typed["secret"]}"' in refused.text
        assert VALUE not in refused.text
        assert await at.plane.store.secret_stores.secrets(id) == []

    work_at(test)


def test_stores_are_refused_where_the_api_refuses_them() -> None:
    async def test(at: Desk) -> None:
        id = await make(at, "s")
        for typed, status in (({"name": "s"}, 409), ({"name": "a b"}, 400), ({"name": "x", "hosts": "http://y"}, 400)):
            refused = await at.browser.submit("/secrets", status, **typed)
            assert f'value="{typed["name"]}"' in refused.text
        await make(at, "other")
        refused = await at.browser.submit(f"/secrets/{id}", 409, name="other", hosts="a.example.com")
        assert "a.example.com</textarea>" in refused.text
        assert (await get(at, id)).name == "s"

    work_at(test)


def test_names_become_no_markup() -> None:
    async def test(at: Desk) -> None:
        id = await make(at, "s")
        for path, typed in (
            ("/secrets", {"name": HOSTILE, "hosts": f"</textarea>{HOSTILE}"}),
            (f"/secrets/{id}", {"name": HOSTILE, "hosts": f"</textarea>{HOSTILE}"}),
            (f"/secrets/{id}/secrets", {"secret": HOSTILE, "value": "v", "secret_hosts": HOSTILE}),
        ):
            refused = await at.browser.submit(path, 400, **typed)
            assert "<script>alert" not in refused.text
            assert "&lt;script&gt;alert" in refused.text

    work_at(test)


def test_scripts_of_pages_may_use_the_api_and_see_no_value() -> None:
    async def test(at: Desk) -> None:
        id = await make(at, "s")
        await put(at, id, "A")
        answer = await at.browser.get(f"/app/api/secret-stores/{id}/secrets")
        assert [secret["name"] for secret in json.loads(answer.text)] == ["A"]
        assert VALUE not in answer.text

    work_at(test)
