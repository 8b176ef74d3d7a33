"""Refreshes, revokes and asks about tokens with Authlib, by the published metadata alone.

Arguments: the companion's address, and the secret of the client `asks`. Refresh tokens come on standard input, one a line.
"""

import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

base, secret = sys.argv[1:]
first, second = sys.stdin.read().split()

answer = requests.get(f"{base}/.well-known/oauth-authorization-server", timeout=10)
assert answer.headers["content-type"] == "application/json", answer.headers
metadata = AuthorizationServerMetadata(answer.json())
metadata.validate()
# The address in it is that of the gateway, which is not there.
here = lambda name: base + "/" + metadata[name].split("/", 3)[3]
token_endpoint, revocation_endpoint, introspection_endpoint = map(
    here, ["token_endpoint", "revocation_endpoint", "introspection_endpoint"]
)


def session(client, method, token=None, **more):
    return OAuth2Session(client, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method, token=token, **more)


def asked(token):
    asking = session("asks", "client_secret_basic", client_secret=secret)
    answer = asking.introspect_token(introspection_endpoint, token=token)
    assert answer.status_code == 200, answer.text
    return answer.json()


# An app without a secret, and clients with one, each way of showing it.
token = {"refresh_token": first}
for client, method, more in [
    ("latchkey", "none", {}),
    ("asks", "client_secret_basic", {"client_secret": secret}),
    ("plain", "client_secret_post", {"client_secret": secret}),
]:
    before = token["refresh_token"]
    with session(client, method, **more) as refreshing:
        token = refreshing.refresh_token(token_endpoint, refresh_token=before)
    assert token["token_type"] == "Bearer" and token["expires_in"] > 0, token
    assert token["refresh_token"] != before
    known = asked(token["access_token"])
    assert known["active"] is True and known["client_id"] == "latchkey", known
    assert asked(token["refresh_token"])["active"] is True
    assert asked(before) == {"active": False}

# RFC 7009: once and once more, with the wrong hint too.
for hint in ["refresh_token", "access_token"]:
    with session("latchkey", "none") as revoking:
        answer = revoking.revoke_token(revocation_endpoint, token=token["refresh_token"], token_type_hint=hint)
    assert answer.status_code == 200 and answer.content == b"", answer.text
assert asked(token["access_token"]) == {"active": False}
assert asked(token["refresh_token"]) == {"active": False}
assert asked(second)["active"] is True

# What is refused is refused in the words that the library understands.
try:
    session("latchkey", "none").refresh_token(token_endpoint, refresh_token=token["refresh_token"])
except Exception as error:
    assert getattr(error, "error", None) == "invalid_grant", repr(error)
else:
    raise SystemExit("a revoked refresh token was taken")
try:
    session("asks", "client_secret_basic", client_secret="wrong").refresh_token(token_endpoint, refresh_token=second)
except Exception as error:
    assert getattr(error, "error", None) == "invalid_client", repr(error)
else:
    raise SystemExit("a wrong secret was taken")
print("refreshed, introspected, revoked")
