"""What schemathesis must know beyond the OpenAPI document: how to come by credentials, and what no answer may tell.

LATCHKEY_PUBLIC is the address of the public listener, LATCHKEY_STATE the companion's state directory, with its mail and its tokens. With
LATCHKEY_ANONYMOUS no call says who it is.
"""

import itertools
import os
import pathlib
import re
import threading
import time

import requests
import schemathesis

PUBLIC = os.environ["LATCHKEY_PUBLIC"]
STATE = pathlib.Path(os.environ["LATCHKEY_STATE"])
PASSWORD = "tangled orbit 84 lantern"
# After these a session, or the account, is no more what it was: each of their calls gets a person of its own.
ENDING = {"log_out", "end_sessions"}
NUMBERS = itertools.count()
CALLS = itertools.count()
ANONYMOUS = "LATCHKEY_ANONYMOUS" in os.environ


def call(method, path, token=None, **body):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.request(method, PUBLIC + path, json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def code_for(email):
    """The six digits of the newest mail to that address."""
    folder = STATE / "mail"
    for _ in range(400):
        mails = [mail.read_text() for mail in sorted(folder.glob("*.eml"), key=lambda mail: mail.stat().st_mtime_ns)]
        for mail in reversed([mail for mail in mails if f"<{email}>" in mail or f"To: {email}" in mail]):
            return re.search(r"(?<![0-9A-Za-z])[0-9]{6}(?![0-9A-Za-z])", mail.split("\n\n", 1)[1]).group()
        time.sleep(0.05)
    raise RuntimeError(f"no mail to {email}")


class Person:
    """Somebody with an account."""

    def __init__(self):
        self.email = new_address()
        challenge = call("POST", "/auth/v1/accounts", email=self.email, password=PASSWORD)["challenge_id"]
        call("POST", f"/auth/v1/challenges/{challenge}/verify", code=code_for(self.email))

    def log_in(self):
        return call("POST", "/auth/v1/sessions", email=self.email, password=PASSWORD)


def new_address():
    return f"person{next(NUMBERS)}@example.com"


class Reader:
    """The person whose one session is used by all calls that end nothing."""

    lock = threading.RLock()
    person = None
    token = None

    @classmethod
    def tokens(cls):
        """Those of a new session."""
        with cls.lock:
            cls.person = cls.person or Person()
            return cls.person.log_in()

    @classmethod
    def access_token(cls):
        with cls.lock:
            cls.token = cls.token or cls.tokens()["access_token"]
            return cls.token


@schemathesis.auth(refresh_interval=None)
class Credential:
    """A token of the kind that the call demands; where it demands none, an access token does no harm."""

    def get(self, case, context):
        if ANONYMOUS:
            return None
        schemes = {name for kinds in case.operation.definition.raw["security"] for name in kinds}
        for name in ("gateway", "admin"):
            if f"{name}_token" in schemes:
                return (STATE / f"{name}.token").read_text().strip()
        if name_of(case) == "log_out" and isinstance(case.body, dict) and case.body.get("refresh_token"):
            # Tokens of two sessions in one logout are refused, and no schema says which belong together.
            return None
        if name_of(case) in ENDING:
            return Reader.tokens()["access_token"]
        return Reader.access_token()

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


def name_of(case):
    return case.operation.definition.raw["operationId"]


@schemathesis.hook
def after_call(context, case, response):
    """Some calls end a session that they found in a list."""
    if response.status_code == 401 and response.request.headers.get("Authorization") == f"Bearer {Reader.token}":
        Reader.token = None


@schemathesis.hook
def before_call(context, case, kwargs):
    """Random words open nothing: of the calls that the document allows, every third is one that succeeds."""
    shorten(case)
    real = REAL.get(name_of(case))
    if real and not ANONYMOUS and case.meta.generation.mode.is_positive and next(CALLS) % 3 == 0:
        real(case)


def shorten(case):
    """What a call may wait for is not what is looked at here, and it would wait often."""
    if "hold" in case.query and case.meta.generation.mode.is_positive:
        case.query["hold"] = 0
    if "Prefer" in case.headers:
        case.headers["Prefer"] = "respond-async"


def real_sign_up(case):
    case.body = {"email": new_address(), "password": PASSWORD}


def real_challenge(case):
    email = new_address()
    case.path_parameters["id"] = call("POST", "/auth/v1/accounts", email=email, password=PASSWORD)["challenge_id"]
    return email


def real_code(case):
    case.body = {"code": code_for(real_challenge(case))}


def real_login(case):
    Reader.access_token()
    case.body = {"email": Reader.person.email, "password": PASSWORD}


def real_refresh(case):
    case.body = {"refresh_token": Reader.tokens()["refresh_token"]}


REAL = {
    "sign_up": real_sign_up,
    "resend_code": real_challenge,
    "verify_code": real_code,
    "log_in": real_login,
    "refresh": real_refresh,
}


# ER-01: no stack, no SQL, no path, no version, and no name of what it is built with.
TELLING = re.compile(rb"panicked|stack backtrace|\.rs:|/src/|SELECT |INSERT |UPDATE |sqlite|postgres|serde|axum|hyper|rustc", re.IGNORECASE)


@schemathesis.check
def tells_nothing_of_the_inside(ctx, response, case):
    told = TELLING.search(response.content)
    assert not told, f"the answer says {told.group()!r}"
    for name in ("server", "x-powered-by", "via"):
        assert name not in response.headers, f"there is a header field {name}"
