"""Verifies access tokens with PyJWT, by the published key set alone, and sees wrong ones refused.

Arguments: the companion's address, the issuer, the algorithm that is expected. Access tokens come on standard input, one a line.
"""

import sys

import jwt

ONE_OF_OURS = ["ES256", "EdDSA"]


def refused(token, key, **changes):
    expected = {"audience": issuer, "issuer": issuer, "algorithms": ONE_OF_OURS} | changes
    try:
        jwt.decode(token, key, **expected)
    except jwt.InvalidTokenError as error:
        return type(error).__name__
    raise SystemExit(f"accepted with {changes}")


base, issuer, algorithm = sys.argv[1:]
tokens = sys.stdin.read().split()
keys = jwt.PyJWKClient(f"{base}/.well-known/jwks.json")
for token in tokens:
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt" and header["alg"] == algorithm, header
    key = keys.get_signing_key_from_jwt(token)
    assert key.key_id == header["kid"]
    required = {"require": ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time", "client_id"]}
    claims = jwt.decode(token, key, algorithms=ONE_OF_OURS, audience=issuer, issuer=issuer, options=required)
    assert claims["client_id"] == "latchkey" and claims["acr"] == "password", claims
    assert 0 < claims["exp"] - claims["iat"] <= 300, claims

    assert refused(token, key, audience="https://other.example") == "InvalidAudienceError"
    assert refused(token, key, issuer="https://other.example") == "InvalidIssuerError"
    head, payload, signature = token.split(".")
    flipped = ("A" if signature[5] != "A" else "B").join([signature[:5], signature[6:]])
    assert refused(f"{head}.{payload}.{flipped}", key) == "InvalidSignatureError"
    unsigned = jwt.encode(claims, None, algorithm="none", headers={"kid": header["kid"]})
    assert refused(unsigned, key) == "InvalidAlgorithmError"
print(f"{len(tokens)} tokens verified")
