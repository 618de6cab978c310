"""The pages over running calls as files: what their headers allow, and what paths lead to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from qingting.settings.service import LiveSection

if TYPE_CHECKING:
    from tests.integration.service.conftest import Api, OpenApi

HOST = "http://qingting.test"
PAGES = ("wall", "assist")
FOLDER = Path(__file__).parents[3] / "src" / "qingting" / "api" / "pages"
ASSETS = sorted(one.name for one in FOLDER.iterdir() if one.suffix in (".js", ".css", ".svg"))


def policy(headers: dict[str, str]) -> dict[str, list[str]]:
    written = headers["content-security-policy"]
    return {name: rest for name, *rest in (part.split() for part in written.split(";"))}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_nobody_and_may_run_its_own_scripts_alone(api: Api, page: str) -> None:
    answer = api.client.get(f"{HOST}/live/{page}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    rules = policy(dict(answer.headers))
    assert rules["default-src"] == ["'none'"]
    assert all(rules[name] == ["'self'"] for name in ("script-src", "style-src", "img-src", "connect-src"))
    assert all(rules[name] == ["'none'"] for name in ("base-uri", "form-action", "trusted-types"))
    assert rules["frame-ancestors"] == ["'self'"]
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["permissions-policy"] == "camera=(), geolocation=(), microphone=(self)"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_holds_no_script_and_names_no_other_host(api: Api, page: str) -> None:
    html = api.client.get(f"{HOST}/live/{page}").text
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"\s(?:style|on\w+)=", html) == []
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', html)
    assert loaded
    assert all(one.startswith("assets/") and one.removeprefix("assets/") in ASSETS for one in loaded)


@pytest.mark.parametrize("name", ASSETS)
def test_every_asset_is_given_and_kept_as_long_as_it_is_good(api: Api, name: str) -> None:
    first = api.client.get(f"{HOST}/live/assets/{name}")
    assert first.status_code == 200
    assert first.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/svg+xml")
    assert first.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in first.headers["content-security-policy"]
    again = api.client.get(f"{HOST}/live/assets/{name}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = api.client.get(f"{HOST}/live/assets/{name}", headers={"If-None-Match": '"other"'})
    assert other.content == (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", [one for one in ASSETS if one.endswith(".js")])
def test_scripts_load_from_here_alone_and_make_no_markup(name: str) -> None:
    script = (FOLDER / name).read_text(encoding="utf-8")
    assert all(one.removeprefix("./") in ASSETS for one in re.findall(r'from "([^"]+)"', script))
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|https?://(?! addr)\w", script)
        == []
    )


@pytest.mark.parametrize(
    "path",
    [
        "/live/assets/nothing.js",
        "/live/assets/wall.html",
        "/live/assets/",
        "/live/assets/..%2Fapp.py",
        "/live/assets/%2e%2e%2froutes%2flive_pages.py",
        "/live/assets/..%5Capp.py",
        "/live/assets/wall.js%00.css",
        "/live/assets/%2Fetc%2Fpasswd",
        "/live/other",
        "/live/",
    ],
)
def test_nothing_else_is_there(api: Api, path: str) -> None:
    answer = api.client.get(HOST + path, follow_redirects=False)
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:qingting:problem:not_found"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_named_sites_may_show_the_pages(open_api: OpenApi) -> None:
    api = open_api(live={"embed_origins": ("https://crm.example.com", "http://*.example.org:8080")})
    rules = policy(dict(api.client.get(f"{HOST}/live/assist").headers))
    assert rules["frame-ancestors"] == ["'self'", "https://crm.example.com", "http://*.example.org:8080"]


def test_sites_come_from_the_environment_as_one_text() -> None:
    read = LiveSection.model_validate({"embed_origins": "https://a.example, https://b.example"})
    assert read.embed_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    "origin",
    ["*", "crm.example.com", "https://a.example/path", "https://a.example; script-src *", "https://a\n.example",
     "'unsafe-inline'", "javascript://x", "https://*", "https://a.example\n"],
)  # fmt: skip
def test_what_is_no_site_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError):
        LiveSection.model_validate({"embed_origins": (origin,)})


def test_the_way_to_the_identity_provider_is_shown_where_there_is_one(open_api: OpenApi) -> None:
    asked = {
        issuer: open_api(oidc={"issuer": issuer}).client.get(f"{HOST}/live/wall").text
        for issuer in ("", "https://login.example.com")
    }
    assert '<meta name="oidc" content="no">' in asked[""]
    assert '<meta name="oidc" content="yes">' in asked["https://login.example.com"]


def test_the_description_does_not_know_them(api: Api) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if path.startswith("/live") or "assets" in path]
