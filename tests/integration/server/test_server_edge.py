"""What holds for every path: ids, CORS, no redirects, errors in one shape, a log without secrets."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from oc.api.openapi import document
from tests.integration.server.control import Control, run, until


@pytest.mark.parametrize("path", ["/api/sandboxes/", "/api/whoami/", "//api/whoami", "/api", "/health/", "/docs/", "/"])
def test_there_are_no_redirects(path: str) -> None:
    async def test(made: Control) -> None:
        answer = await made.api.get(made.origin + path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    run(test)


def test_method_that_a_path_does_not_have_is_405_and_names_those_it_has() -> None:
    async def test(made: Control) -> None:
        answer = await made.api.patch("/sandboxes")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))

    run(test)


def test_requests_id_comes_back_and_an_odd_one_is_replaced() -> None:
    async def test(made: Control) -> None:
        sent = await made.api.get("/whoami", headers={"X-Request-Id": "abc-1"})
        assert sent.headers["X-Request-Id"] == "abc-1"
        odd = await made.api.get("/whoami", headers={"X-Request-Id": "a b" * 100})
        assert odd.headers["X-Request-Id"].isalnum()

    run(test)


def test_any_origin_may_ask() -> None:
    async def test(made: Control) -> None:
        page = {"Origin": "https://example.com"}
        ask = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-api-key"}
        asked = await made.api.options("/sandboxes/sb-00000000", headers=page | ask)
        assert asked.status_code == 200
        assert "DELETE" in asked.headers["Access-Control-Allow-Methods"]
        assert (await made.api.get("/nothing", headers=page)).headers["Access-Control-Allow-Origin"] == "*"

    run(test)


def test_failure_of_ours_is_an_answer_that_tells_nothing_but_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Control) -> None:
        async def broken(*_: object) -> None:
            raise ZeroDivisionError("secret detail")

        monkeypatch.setattr(made.plane.store.sandboxes, "get", broken)
        with capture_logs() as lines:
            answer = await made.api.get("/sandboxes/sb-00000000")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert "secret" not in answer.text
        assert answer.headers["X-Request-Id"] in answer.text
        assert any(line["log_level"] == "error" for line in lines)

    run(test)


def test_log_holds_neither_keys_nor_names_of_files() -> None:
    async def test(made: Control) -> None:
        with capture_logs() as lines:
            id = await made.create(envs={"TOKEN": "hush-env"})
            await made.api.get(f"/sandboxes/{id}/files", params={"path": "/hush-path", "api_key": "hush-query"})
            await made.api.post(f"/sandboxes/{id}/exec/run", json={"cmd": "hush-command"})

            async def logged() -> bool:
                return {"createSandbox", "readFile", "execRun"} <= {line.get("route") for line in lines}

            await until(logged)  # a line is written after its answer
        assert "hush" not in str(lines)
        assert made.key not in str(lines)

    run(test, log_level="debug")


def test_metrics_count_by_route_and_not_by_path() -> None:
    async def test(made: Control) -> None:
        id = await made.create()
        for number in range(20):
            await made.api.get(f"/nothing/{number}")
        nothing = 'opencomputer_request_seconds_count{route="none",status="404"} 20.0'

        async def counted() -> bool:
            return nothing in (await made.api.get(f"{made.origin}/metrics")).text

        await until(counted)  # what is counted has been answered before
        text = (await made.api.get(f"{made.origin}/metrics")).text
        assert 'opencomputer_sandboxes{status="running"} 1.0' in text
        assert 'opencomputer_request_seconds_count{route="createSandbox",status="201"} 1.0' in text
        assert id not in text

    run(test)


def test_worker_that_prepares_is_not_ready_and_says_what_it_does() -> None:
    async def test(made: Control) -> None:
        made.worker.state = {"status": "preparing", "detail": "downloading packages"}
        answer = await made.api.get(f"{made.origin}/readyz")
        assert answer.status_code == 503
        assert "downloading packages" in answer.json()["worker"]

    run(test)


def test_open_paths_need_no_key() -> None:
    async def test(made: Control) -> None:
        async with made.client(None) as nobody:
            texts = {
                path: (await nobody.get(made.origin + path))
                for path in ("/health", "/healthz", "/readyz", "/openapi.json", "/docs")
            }
        assert {answer.status_code for answer in texts.values()} == {200}
        assert texts["/health"].json()["status"] == "ok"
        assert texts["/healthz"].json() == {"status": "alive"}
        assert texts["/readyz"].json()["status"] == "ready"
        assert texts["/openapi.json"].json() == document()
        assert "default-src 'none'" in texts["/docs"].headers["Content-Security-Policy"]

    run(test)
