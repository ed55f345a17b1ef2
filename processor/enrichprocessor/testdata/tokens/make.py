#!/usr/bin/env python3
"""Makes tokens.json: tokens as real Python libraries issue them, and what an attacker sends.

    python3 -m venv /some/venv && /some/venv/bin/pip install -r requirements.txt
    /some/venv/bin/python make.py

Every run makes new keys; only public ones and throw-away secrets are written. The
tests judge the tokens at `made_at`, so the file never grows old. What each token
must give stands in tokens_test.go.
"""

import base64
import hashlib
import hmac
import importlib.metadata
import json
import pathlib
import time
import uuid

import django
import jwt
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

SECRET = "django-insecure-0123456789-abcdefghijklmnopqrstuvwxyz-fixture"
NOW = int(time.time())
ISSUER = "https://id.example.org/realms/shop"

rsa = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig", "alg": "RS256"})
ec = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
ed = OKPKey.generate_key("Ed25519", {"kid": "ed-1", "use": "sig"})
encryption = RSAKey.generate_key(2048, {"kid": "enc-1", "use": "enc", "alg": "RSA-OAEP"})


def pem(key, private=True):
    return key.as_pem(private=private).decode()


settings.configure(
    SECRET_KEY=SECRET,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "allauth",
        "allauth.account",
        "allauth.headless",
    ],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
    JWT_AUTH={"JWT_AUTH_HEADER_PREFIX": "JWT"},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
call_command("migrate", verbosity=0)

from allauth.headless.tokens.strategies.jwt import internal as allauth_jwt  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from rest_framework_jwt.utils import jwt_create_payload, jwt_encode_payload  # noqa: E402
from rest_framework_simplejwt.backends import TokenBackend  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken  # noqa: E402

user = get_user_model().objects.create_user(pk=42, username="ann", email="ann@example.org", password="x")
tokens = {}


def add(name, library, token):
    tokens[name] = {"library": f"{library} {importlib.metadata.version(library)}", "token": token}


def simplejwt():
    lib = "djangorestframework_simplejwt"
    add("simplejwt", lib, str(RefreshToken.for_user(user).access_token))

    class WithUser(AccessToken):  # the customising that its documentation shows
        @classmethod
        def for_user(cls, user):
            token = super().for_user(user)
            token["username"], token["email"] = user.get_username(), user.email
            return token

    add("simplejwt-custom", lib, str(WithUser.for_user(user)))
    payload = WithUser.for_user(user).payload
    backend = TokenBackend("RS256", pem(rsa), pem(rsa, False), "shop", ISSUER)
    add("simplejwt-rs256", lib, backend.encode(payload))


def drf_jwt():
    """The kept fork of djangorestframework-jwt, with the same payload."""
    add("drf-jwt", "drf-jwt", jwt_encode_payload(jwt_create_payload(user)))


def allauth():
    session = SessionStore()
    session.create()
    with override_settings(HEADLESS_JWT_ALGORITHM="HS256"):  # its key is then SECRET_KEY
        add("allauth-hs256", "django-allauth", allauth_jwt.create_access_token(user, session, {}))
    with override_settings(HEADLESS_JWT_ALGORITHM="RS256", HEADLESS_JWT_PRIVATE_KEY=pem(rsa)):
        token = allauth_jwt.create_access_token(user, session, {"email": user.email})
        add("allauth-rs256", "django-allauth", token)
        return allauth_jwt._get_jwt_config().jwk_dict


def authlib():
    class Generator(JWTBearerTokenGenerator):
        def get_jwks(self):
            return rsa

        def get_audiences(self, client, user, scope):
            return "shop"

        def get_jti(self, client, grant_type, user, scope):
            return str(uuid.uuid4())

    class Client:
        def get_client_id(self):
            return "report-job"

    class Owner:
        def get_user_id(self):
            return "auth0|abc"

    generator = Generator(ISSUER, expires_generator=lambda client, grant: 3600)
    add("authlib-user", "Authlib", generator.access_token_generator(Client(), "authorization_code", Owner(), "orders"))
    add("authlib-client", "Authlib", generator.access_token_generator(Client(), "client_credentials", None, "orders"))


def pyjwt(name, claims, key=None, alg="RS256", **headers):
    key = key or rsa
    material = key if isinstance(key, str) else pem(key)
    if not isinstance(key, str):
        headers.setdefault("kid", key.kid)
    claims = {"iat": NOW, "exp": NOW + 3600, "iss": ISSUER, "aud": "shop"} | claims
    claims = {k: v for k, v in claims.items() if v is not None}
    add(name, "PyJWT", jwt.encode(claims, material, algorithm=alg, headers=headers))


def providers():
    """The shapes that OpenID Connect providers document, signed by PyJWT."""
    keycloak = {
        "jti": "onrtac:9c7", "typ": "Bearer", "azp": "webshop", "sid": "b7e0c0f4", "acr": "1", "scope": "openid email profile",
        "realm_access": {"roles": ["offline_access", "clerk"]},
        "resource_access": {"my.shop": {"roles": ["refund"]}, "account": {"roles": ["view-profile"]}},
    }
    pyjwt("keycloak-user", keycloak | {
        "sub": "f3a7c2de-6f0a-4d0c-9f6e-0d1b2c3d4e5f", "preferred_username": "ann", "email": "ann@example.org", "email_verified": True,
        "name": "Ann Example", "organization": {"acme": {"id": "42c3e46f"}}, "tenant": {"id": "acme"},
    })
    pyjwt("keycloak-service", keycloak | {
        "sub": "0b5d9c1e-0000-4d0c-9f6e-0d1b2c3d4e5f", "azp": "Report-Job", "client_id": "Report-Job", "sid": None,
        "preferred_username": "service-account-report-job", "clientHost": "10.0.0.7", "clientAddress": "10.0.0.7",
    })
    pyjwt("auth0-user", {
        "iss": "https://acme.eu.auth0.com/", "aud": ["shop", "https://acme.eu.auth0.com/userinfo"], "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "azp": "AbCdEf123", "scope": "openid profile", "permissions": ["read:orders"], "org_id": "org_9ybsU1dN2dKfDkBi",
        "https://shop.example.org/roles": ["clerk"], "https://shop.example.org/tenant": "acme", "https://shop.example.org/email": "ann@example.org",
    })
    pyjwt("auth0-service", {
        "iss": "https://acme.eu.auth0.com/", "sub": "AbCdEf123@clients", "azp": "AbCdEf123", "gty": "client-credentials", "scope": "read:orders",
    })
    entra = {
        "iss": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", "ver": "2.0", "uti": "kHZ4x", "rh": "0.AQ",
        "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "azpacr": "1", "nbf": NOW,
    }
    pyjwt("entra-user", entra | {
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "scp": "Orders.Read",
        "preferred_username": "ann@example.org", "name": "Ann Example", "roles": ["Clerk"], "sid": "0032e8ba",
    })
    pyjwt("entra-service", entra | {
        "sub": "11111111-ff1a-4d56-abd1-7e4f7d38e474", "oid": "11111111-ff1a-4d56-abd1-7e4f7d38e474", "roles": ["Orders.Read.All"],
    })
    pyjwt("delegated", {
        "sub": "ann", "azp": "webshop", "roles": ["clerk"], "client_id": "webshop",
        "act": {"sub": "support-7", "email": "support@example.org", "act": {"sub": "gateway", "act": {"client_id": "edge"}}},
    })


def attacks():
    pyjwt("pyjwt-hs512", {"user_id": 42, "iss": None, "aud": None}, SECRET, "HS512")
    pyjwt("pyjwt-es256", {"sub": "42"}, ec, "ES256")
    pyjwt("pyjwt-eddsa", {"sub": "42"}, ed, "EdDSA")
    pyjwt("pyjwt-no-kid", {"sub": "42"}, pem(rsa))
    pyjwt("expired", {"sub": "eve", "exp": NOW - 3600})
    pyjwt("not-yet-valid", {"sub": "eve", "nbf": NOW + 600})
    pyjwt("forged", {"sub": "eve"}, RSAKey.generate_key(2048, {"kid": "rsa-1"}))
    pyjwt("unknown-key", {"sub": "eve"}, RSAKey.generate_key(2048, {"kid": "rsa-9"}))
    pyjwt("encryption-key", {"sub": "eve"}, encryption)
    pyjwt("wrong-audience", {"sub": "eve", "aud": "desk"})
    pyjwt("wrong-issuer", {"sub": "eve", "iss": "https://evil.example"})
    pyjwt("not-accepted", {"sub": "eve"}, alg="PS256")
    pyjwt("own-key-set", {"sub": "eve"}, RSAKey.generate_key(2048, {"kid": "eve-1"}), jku="http://127.0.0.1:1/jwks", x5u="http://127.0.0.1:1/x5u")
    none = jwt.encode({"sub": "eve", "iss": ISSUER, "aud": "shop", "exp": NOW + 3600}, None, algorithm="none")
    add("none", "PyJWT", none)
    good = tokens["keycloak-user"]["token"]
    add("malformed", "PyJWT", good[: len(good) // 3])
    # PyJWT refuses to sign with a public key as a secret; whoever attacks does not use PyJWT.
    header = b64(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}).encode())
    signed = f"{header}.{none.split('.')[1]}"
    mac = hmac.new(pem(rsa, False).encode(), signed.encode(), hashlib.sha256).digest()
    add("key-confusion", "PyJWT", f"{signed}.{b64(mac)}")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


simplejwt()
drf_jwt()
allauth_jwk = allauth()
authlib()
providers()
attacks()
out = {
    "made_at": NOW,
    "issuer": ISSUER,
    "secret": SECRET,
    "rsa_public": pem(rsa, False),
    "jwks": KeySet([rsa, ec, ed, encryption]).as_dict(private=False),
    "allauth_jwk": {k: v for k, v in allauth_jwk.items() if k in ("kty", "kid", "n", "e", "use", "alg")},
    "tokens": tokens,
}
path = pathlib.Path(__file__).with_name("tokens.json")
path.write_text(json.dumps(out, indent=1) + "\n")
print(f"{len(tokens)} tokens in {path.name}")
