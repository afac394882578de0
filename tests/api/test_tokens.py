"""OAuth client credentials, as RFC 6749, RFC 9068 and R-AUTH say."""

import base64
import json
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from api.serving import serving

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GOOD = {"grant_type": "client_credentials", "client_id": "loy1-pos", "client_secret": "loy1-secret"}


def ask(server, form, **headers):
    body = form if isinstance(form, bytes) else urlencode(form)
    return server.send("POST", "/oauth/token", body, {**FORM, **headers})


def basic(client, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()}


@pytest.mark.parametrize("audience", [{}, {"audience": "https://anything.example"}])
def test_a_form_gives_a_bearer_token_for_a_day(server, audience):
    answer = ask(server, {**GOOD, **audience})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.body) == {"access_token", "token_type", "expires_in"}
    assert (answer.body["token_type"], answer.body["expires_in"]) == ("Bearer", 86400)


def test_a_token_is_an_at_jwt_that_the_published_keys_verify(server):
    keys = KeySet.import_key_set(server.send("GET", "/.well-known/jwks.json").body)
    assert all("d" not in key.as_dict(private=False) for key in keys.keys)
    token = jwt.decode(server.token(), keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert token.claims["client_id"] == token.claims["sub"] == "loy1-pos"
    assert token.claims["exp"] - token.claims["iat"] == 86400
    metadata = server.send("GET", "/.well-known/oauth-authorization-server").body
    assert token.claims["iss"] == metadata["issuer"] == server.address


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({**GOOD, "client_secret": "wrong"}, {}, 401, "invalid_client"),
        ({**GOOD, "client_id": "nobody"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic !!!"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic " + "YQ=="}, 401, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        (GOOD, basic("loy1-pos", "loy1-secret"), 400, "invalid_request"),
        (
            {"grant_type": "client_credentials", "client_id": "loy2-pos"},
            basic("loy1-pos", "loy1-secret"),
            400,
            "invalid_request",
        ),
        ({**GOOD, "grant_type": "password"}, {}, 400, "unsupported_grant_type"),
        ({**GOOD, "grant_type": ""}, {}, 400, "invalid_request"),
        (urlencode(GOOD).encode() + b"&client_id=loy1-pos", {}, 400, "invalid_request"),
        (b"\xff\xfe", {}, 400, "invalid_request"),
        (b"client_secret=%ff%fe", {}, 400, "invalid_request"),
        (b"a=1&" * 100, {}, 400, "invalid_request"),
        (json.dumps(GOOD).encode(), {"Content-Type": "application/json"}, 400, "invalid_request"),
        (b"x" * 10_000, {}, 413, "invalid_request"),
    ],
)
def test_a_wrong_token_request_gets_the_error_of_rfc_6749(server, form, headers, status, error):
    answer = ask(server, form, **headers)
    assert (answer.status, answer.body["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"),
        lambda token: token + "x",
        lambda token: token.split(".")[0] + ".." + token.split(".")[2],
        lambda token: "e30." + token.split(".", 1)[1],
        lambda token: (
            base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=") + "." + token.split(".")[1] + "."
        ),
        lambda _token: "",
        lambda _token: "x" * 9000,
        lambda _token: "é" * 10,
    ],
)
def test_a_spoilt_token_is_a_strangers(server, till, spoil):
    headers = {"Authorization": b"Bearer " + spoil(till.token).encode("latin-1")}
    answer = server.send("POST", "/checkout/amcash/echo", b"{}", headers)
    assert answer.status == 401
    assert set(answer.body) == {"message"}
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_token_of_another_scheme_is_a_strangers(till):
    answer = till.ask("echo", till.fields(), Authorization=f"Basic {till.token}")
    assert answer.status == 401


def test_the_scheme_is_case_insensitive(till):
    assert till.ask("echo", till.fields(), Authorization=f"bEARER {till.token}").code == "0000"


def test_after_a_rotation_old_tokens_live_on_and_new_ones_have_the_new_key(own_server):
    old = own_server.till()
    own_server.command("key", "rotate")
    while len(own_server.send("GET", "/.well-known/jwks.json").body["keys"]) == 1:
        pass
    new = own_server.till()
    assert old.token.split(".")[0] != new.token.split(".")[0]
    assert old.echo().code == new.echo().code == "0000"


def test_a_disabled_client_is_out_tokens_included(own_server):
    till = own_server.till()
    own_server.command("client", "disable", "loy1-pos")
    while till.echo().status == 200:
        pass
    assert till.echo().status == 401
    assert ask(own_server, GOOD).body["error"] == "invalid_client"


def test_two_secrets_live_at_a_time_so_that_rotation_cuts_nobody_off(own_server):
    first = json.loads(own_server.command("client", "add", "kiosk", "--sponsor", "LOY1", "--json").stdout)["secret"]
    secrets = [first]
    secrets += [json.loads(own_server.command("client", "rotate", "kiosk", "--json").stdout)["secret"] for _ in "12"]

    def works(secret):
        return ask(own_server, {**GOOD, "client_id": "kiosk", "client_secret": secret}).status == 200

    while not works(secrets[2]):
        pass
    assert [works(secret) for secret in secrets] == [False, True, True]


def test_an_expired_token_is_a_strangers(tmp_path):

    with serving(tmp_path, AMCASH_TOKEN_LIFETIME_S="1") as server:
        till = server.till()
        while till.echo().status == 200:
            pass
        assert till.echo().status == 401


def test_a_sandboxs_token_is_no_key_to_production_on_the_same_ledger(tmp_path):
    with serving(tmp_path) as sandbox:
        token = sandbox.token()
        database = sandbox.database
    with serving(tmp_path, programme=None, database=database, sandbox=False) as server:
        answer = server.send("POST", "/checkout/amcash/echo", b"{}", {"Authorization": f"Bearer {token}"})
    assert answer.status == 401
