"""What schemathesis must know beyond the OpenAPI document: how to come by credentials, and what no answer may tell.

LATCHKEY_PUBLIC is the address of the public listener, LATCHKEY_STATE the companion's state directory, with its mail and its tokens,
LATCHKEY_TIME the time by its clock. With LATCHKEY_ANONYMOUS no call says who it is.
"""

import itertools
import os
import re
import threading

import schemathesis

import people

ANONYMOUS = "LATCHKEY_ANONYMOUS" in os.environ
CALLS = itertools.count()
# After these a session, or a person, is no more what it was: each of them has a caller of its own, and another one when it is done.
ENDING = {"log_out", "end_sessions", "end_session"}
CHANGING = {
    "change_email",
    "change_password",
    "confirm_totp",
    "delete_account",
    "enrol_totp",
    "remove_totp",
    "replace_recovery_codes",
}


class Callers:
    """The session that each call is made with: the operations of ENDING and CHANGING have their own, all others share one."""

    lock = threading.RLock()
    reader = None
    sessions = {}

    @classmethod
    def session(cls, name):
        key = name if name in ENDING | CHANGING else None
        with cls.lock:
            if key not in cls.sessions:
                cls.sessions[key] = cls.new(name)
            return cls.sessions[key]

    @classmethod
    def new(cls, name):
        if name in CHANGING:
            session = people.Person().log_in()
            session.step_up()
            if name in {"confirm_totp", "remove_totp", "replace_recovery_codes"}:
                session.enrol(and_confirm=name != "confirm_totp")
            return session
        cls.reader = cls.reader or people.Person()
        return cls.reader.log_in()

    @classmethod
    def forget(cls, access_token):
        with cls.lock:
            cls.sessions = {key: session for key, session in cls.sessions.items() if session.access != access_token}


@schemathesis.auth(refresh_interval=None)
class Credential:
    """A token of the kind that the call demands; where it demands none, an access token does no harm."""

    def get(self, case, context):
        if ANONYMOUS:
            return None
        schemes = {name for kinds in case.operation.definition.raw["security"] for name in kinds}
        for name in ("gateway", "admin"):
            if f"{name}_token" in schemes:
                return (people.STATE / f"{name}.token").read_text().strip()
        if name_of(case) == "log_out" and isinstance(case.body, dict) and case.body.get("refresh_token"):
            # Tokens of two sessions in one logout are refused, and no schema says which belong together.
            return None
        return Callers.session(name_of(case)).access

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


def name_of(case):
    return case.operation.definition.raw["operationId"]


@schemathesis.hook
def after_call(context, case, response):
    """A caller that is not any more what it was is not used again. Some calls end a session that they found in a list."""
    scheme, _, token = response.request.headers.get("Authorization", "").partition(" ")
    is_done = response.status_code < 300 and name_of(case) in ENDING | CHANGING
    is_over = response.status_code == 401 and b'"invalid_token"' in response.content
    if is_done or is_over:
        Callers.forget(token)


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
    case.body = {"email": people.new_address(), "password": people.PASSWORD}


def real_challenge(case):
    email, challenge = people.sign_up()
    case.path_parameters["id"] = challenge
    return email


def real_code(case):
    """Of each purpose in turn."""
    purpose = next(PURPOSES)
    if purpose == "activation":
        case.body = {"code": people.code_for(real_challenge(case))}
        return
    person = people.Person()
    if purpose == "recovery":
        challenge, code = person.challenge(purpose="recovery", email=person.email)
        case.body = {"code": code, "new_password": people.PASSWORD + "!"}
    elif purpose == "step_up":
        session = person.log_in()
        case.headers["Authorization"] = f"Bearer {session.access}"
        challenge, code = session.challenge()
        case.body = {"code": code}
    else:
        session = person.log_in()
        session.step_up()
        session.enrol()
        challenge = person.log_in_with_app()
        case.body = {"code": session.app_code(later=1)}
    case.path_parameters["id"] = challenge


PURPOSES = itertools.cycle(["activation", "recovery", "step_up", "login"])


def real_login(case):
    case.body = {"email": people.Person().email, "password": people.PASSWORD}
    case.body["delivery"] = next(DELIVERIES)


DELIVERIES = itertools.cycle(["body", "cookie"])


def real_refresh(case):
    case.body = {"refresh_token": people.Person().log_in().refresh}


def real_form(case):
    case.body = {"grant_type": "refresh_token", "refresh_token": people.Person().log_in().refresh, "client_id": "latchkey"}


def real_reauthentication(case):
    case.body = {"password": people.PASSWORD}


def real_password(case):
    case.body = {"current_password": people.PASSWORD, "new_password": people.PASSWORD + "!"}


def real_address(case):
    case.body = {"email": people.new_address()}


def real_confirmation(case):
    case.body = {"code": Callers.session("confirm_totp").app_code()}


REAL = {
    "change_email": real_address,
    "change_password": real_password,
    "confirm_totp": real_confirmation,
    "log_in": real_login,
    "oauth_token": real_form,
    "reauthenticate": real_reauthentication,
    "refresh": real_refresh,
    "resend_code": real_challenge,
    "sign_up": real_sign_up,
    "verify_code": real_code,
}


# ER-01: no stack, no SQL, no path, no version, and no name of what it is built with.
TELLING = re.compile(rb"panicked|stack backtrace|\.rs:|/src/|SELECT |INSERT |UPDATE |sqlite|postgres|serde|axum|hyper|rustc", re.IGNORECASE)


@schemathesis.check
def tells_nothing_of_the_inside(ctx, response, case):
    told = TELLING.search(response.content)
    assert not told, f"the answer says {told.group()!r}"
    for name in ("server", "x-powered-by", "via"):
        assert name not in response.headers, f"there is a header field {name}"
