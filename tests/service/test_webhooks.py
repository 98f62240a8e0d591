"""What a webhook's receiver gets is what the Standard Webhooks specification says, and only receivers get it."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from service.webhooks import Undelivered, Webhooks, message_id, signing_secret
from tests.service.hostile import Internet, Stranger, answer, tls_of

SECRET = b"a secret of the server's, 32 long"
BODY = {"status": "COMPLETED", "request_id": "job", "output": "https://example.com/ü.mp4", "metrics": {"cost": 1.25}}
PUBLIC = "93.184.216.34"


@pytest.fixture
def internet() -> Internet:
    return Internet({"hooks.example": [[PUBLIC]]})


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with Stranger({"/hook": [answer(204)]}) as stranger:
        yield stranger


def _post(internet: Internet, url: str, **changed: Any) -> int:
    plain: dict[str, Any] = {"secret": SECRET, "seconds": 5, "allow_http": True, "allow_private": False}
    plain |= {"resolver": internet.resolve, "connector": internet.connect}
    return Webhooks(**(plain | changed)).post(url, BODY, job_id="job", account_id="acme", at=datetime.now(UTC))


def test_the_specification_s_own_package_verifies_it(stranger: Stranger, internet: Internet) -> None:
    assert _post(internet, stranger.url("hooks.example", "/hook?for=me")) == 204
    (asked,) = stranger.asked
    assert (asked.method, asked.path) == ("POST", "/hook?for=me")
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-id"] == message_id("job") == "msg_job"
    headers = dict(asked.headers)
    assert Webhook(signing_secret(SECRET, "acme")).verify(asked.body, headers) == BODY == json.loads(asked.body)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing_secret(SECRET, "acme")).verify(asked.body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing_secret(SECRET, "others")).verify(asked.body, headers)


def test_an_account_s_secret_is_its_own_and_always_the_same() -> None:
    assert signing_secret(SECRET, "acme") == signing_secret(SECRET, "acme")
    assert signing_secret(SECRET, "acme") != signing_secret(SECRET, "others")
    assert signing_secret(SECRET, "acme") != signing_secret(b"another", "acme")
    assert signing_secret(SECRET, "acme").startswith("whsec_")


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://0x7f.1/", "http://169.254.169.254/", "http://[::1]/", "http://localhost/"),
        *("file:///etc/passwd", "ftp://93.184.216.34/", "http://", "http://[::1", "http://93.184.216.34:99999/"),
    ],
)
def test_nothing_inside_is_posted_to(url: str) -> None:
    internet = Internet()
    webhooks = Webhooks(secret=SECRET, seconds=5, allow_http=True, allow_private=False, connector=internet.connect)
    with pytest.raises(Undelivered):
        webhooks.post(url, BODY, job_id="job", account_id="acme", at=datetime.now(UTC))
    assert internet.dialled == []


def test_a_name_that_changes_its_mind_gains_nothing(stranger: Stranger, internet: Internet) -> None:
    internet.names["hooks.example"] = [[PUBLIC], ["127.0.0.1"]]
    assert _post(internet, stranger.url("hooks.example", "/hook")) == 204
    assert internet.dialled == [PUBLIC]
    with pytest.raises(Undelivered, match="address refused"):
        _post(internet, stranger.url("hooks.example", "/hook"))
    assert internet.dialled == [PUBLIC]


def test_http_is_refused_where_the_operator_wants_https(stranger: Stranger, internet: Internet) -> None:
    with pytest.raises(Undelivered, match="scheme refused"):
        _post(internet, stranger.url("hooks.example", "/hook"), allow_http=False)
    assert internet.dialled == []


def test_certificates_are_checked(internet: Internet) -> None:
    authority = trustme.CA()
    with Stranger({"/": [answer(200)]}, certificate=authority.issue_cert("hooks.example")) as stranger:
        assert _post(internet, stranger.url("hooks.example"), tls=tls_of([authority])) == 200
        with pytest.raises(Undelivered, match="NotSecure"):
            _post(internet, stranger.url("hooks.example"), tls=tls_of([trustme.CA()]))
    assert len(stranger.asked) == 1


def test_redirects_are_not_followed(stranger: Stranger, internet: Internet) -> None:
    stranger.says["/hook"] = [answer(307, Location="/elsewhere")]
    assert _post(internet, stranger.url("hooks.example", "/hook")) == 307
    assert len(stranger.asked) == 1


def test_an_endless_answer_is_not_listened_to(stranger: Stranger, internet: Internet) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not stranger.over.is_set():
            connection.sendall(bytes(1000))

    stranger.says["/hook"] = [talk]
    started = time.monotonic()
    assert _post(internet, stranger.url("hooks.example", "/hook")) == 200
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200"], ids=["silence", "half a head"])
def test_who_does_not_answer_in_time_is_given_up(said: bytes, stranger: Stranger, internet: Internet) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(said)
        while not stranger.over.wait(0.05):
            connection.sendall(b"x" if said else b"")

    stranger.says["/hook"] = [trickle]
    with pytest.raises(Undelivered):
        _post(internet, stranger.url("hooks.example", "/hook"), seconds=0.4)
