"""A gate before a local web page, which lets in only the user who started it.

A page listens on loopback. There, every user of the machine can connect to it, and so can every web page that the
user's browser shows, through a form, a script, or a name of its own that it rebinds to 127.0.0.1. So a request passes
only if

- its host is 127.0.0.1 or localhost, which no other page can take as its name,
- it was not caused by a page of another origin, as far as the browser says (`Origin`, `Sec-Fetch-Site`), and
- it has the token, a random number that the server draws when it starts.

The token is part of the address that the user opens. The answer to it moves the token to a cookie, which scripts cannot
read and which the browser does not send when another site causes the request. A program sends the token as a bearer
token instead. The server writes the token nowhere else: it is in no file, and neither in the arguments nor in the
environment of a process.
"""

import re
import secrets
from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug import Request, Response
from werkzeug.utils import redirect

HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
OWN_SITES = ("none", "same-origin")  # values of Sec-Fetch-Site: the user typed the address, the page itself asks


class Gate:
    """A WSGI application that answers as `page` does, but only to requests that have its token.

    Args:
        page: The application behind the gate.
        cookie: The name of the cookie. Browsers do not tell the ports of a host apart, so each page needs its own.
        landing: The path, with the fragment, that the address with the token leads to.
    """

    def __init__(self, page: WSGIApplication, cookie: str, landing: str) -> None:
        self.page, self.cookie, self.landing = page, cookie, landing
        self.token = secrets.token_urlsafe()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> WSGIApplication:
        host = request.headers.get("Host", "")
        if not HOST.fullmatch(host) or request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            return _refusal("This page answers neither other hosts nor other pages.")
        if self._is_token(request.args.get("token")):
            entry = redirect(self.landing, HTTPStatus.SEE_OTHER)
            entry.set_cookie(self.cookie, self.token, httponly=True, samesite="Strict")
            return entry
        own = request.headers.get("Sec-Fetch-Site", "none") in OWN_SITES
        bearer = request.authorization.token if request.authorization else None
        if own and (self._is_token(request.cookies.get(self.cookie)) or self._is_token(bearer)):
            return self.page
        return _refusal("Paste the address that was printed when this page was started into the address bar.")

    def _is_token(self, text: str | None) -> bool:
        return text is not None and secrets.compare_digest(text.encode(errors="replace"), self.token.encode())


def _refusal(reason: str) -> Response:
    return Response(f"{reason}\n", HTTPStatus.FORBIDDEN, mimetype="text/plain")
