"""Who passes the gate before a local page: only requests with its token that no other page caused."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from d3d.bench.record.gate import Gate

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PATHS = ("/", "/api/2.0/mlflow/runs/search", "/ajax-api/2.0/mlflow/runs/delete", "/graphql", "/static/bundle.js", "//x")
OWN = {"Host": "127.0.0.1:5000"}


def page(_: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"the page"]


gate = Gate(page, "d3d-5000", "/#/begin")


def status(method: str, path: str, headers: Mapping[str, str], cookie: str | None = None) -> int:
    client = Client(gate, use_cookies=False)
    cookies = {} if cookie is None else {"Cookie": f"other=1; d3d-5000={cookie}"}
    answer = client.open(path, method=method, headers={**headers, **cookies})
    assert ("the page" in answer.text) <= (answer.status_code == 200)
    return answer.status_code


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_every_request_needs_the_token(method: str, path: str) -> None:
    assert status(method, path, OWN) == 403
    assert status(method, path, OWN, "") == 403
    assert status(method, path, OWN, gate.token[:-1]) == 403
    assert status(method, path, OWN, Gate(page, "d3d-5000", "/").token) == 403
    assert status(method, path, OWN, gate.token) == 200


def test_the_address_leads_to_the_page_and_leaves_the_token_in_a_cookie() -> None:
    client = Client(gate)
    answer = client.get(f"/?token={gate.token}", headers=OWN)
    assert (answer.status_code, answer.location) == (303, "/#/begin")
    [cookie] = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"d3d-5000={gate.token};") and {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert client.get("/", headers=OWN).text == "the page"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:5000", "127.0.0.1.evil.example", "localhost@evil", "0.0.0.0:5000", "", "[::1]"],
)
def test_a_name_that_was_rebound_to_this_machine(host: str) -> None:
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        assert status("GET", "/", headers, gate.token) == 403
        assert status("GET", f"/?token={gate.token}", headers) == 403


@pytest.mark.parametrize("method", METHODS)
def test_a_page_of_another_origin(method: str) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:6000", "https://127.0.0.1:5000", ""):
        assert status(method, "/", OWN | {"Origin": origin}, gate.token) == 403
    for site in ("cross-site", "same-site"):
        assert status(method, "/", OWN | {"Sec-Fetch-Site": site}, gate.token) == 403


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "localhost:6000", "localhost"])
def test_the_page_itself_and_a_tunnel_to_it(host: str) -> None:
    own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert status("POST", "/ajax-api/2.0/mlflow/runs/search", own, gate.token) == 200


def test_a_program_sends_the_token_as_a_bearer_token() -> None:
    assert status("POST", "/", OWN | {"Authorization": f"Bearer {gate.token}"}) == 200
    for other in (
        f"Basic {gate.token}",
        "Bearer x",
        "Bearer",
        f"Basic {b64encode(gate.token.encode()).decode()}",
        "x=1",
    ):
        assert status("POST", "/", OWN | {"Authorization": other}) == 403


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=60))
def test_no_other_text_is_the_token(text: str) -> None:
    assert status("GET", "/", OWN, text) == 403
    assert Client(gate).get("/", query_string={"token": text}, headers=OWN).status_code == 403
