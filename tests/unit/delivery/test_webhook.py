"""One attempt to deliver, against receivers that misbehave."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from qingting.delivery import webhook
from qingting.errors import DeliveryError, TargetGoneError
from qingting.testing import receiver as receivers
from qingting.testing.receiver import Answer, Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receivers.receiver() as found:
        yield found


def post(url: str, *, address: str = "127.0.0.1", seconds: float = 5.0) -> int:
    return webhook.post(
        url, address=address, headers={"webhook-id": "a"}, body='{"级":1}'.encode(), timeout_seconds=seconds
    )


def test_a_message_arrives_as_it_is(receiver: Receiver) -> None:
    assert post(f"{receiver.url}?key=1") == 204
    (got,) = receiver.received
    assert (got.path, got.body.decode()) == ("/hook?key=1", '{"级":1}')
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == "a"


def test_the_connection_goes_to_the_address_that_was_looked_at(receiver: Receiver) -> None:
    """Whatever the name means by now: here it means nothing."""
    assert post(f"http://hooks.invalid:{receiver.port}/hook") == 204
    assert receiver.received[0].headers["host"] == f"hooks.invalid:{receiver.port}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.will_answer(status)
    assert post(receiver.url) == status


@pytest.mark.parametrize("status", [300, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_no_success(receiver: Receiver, status: int) -> None:
    receiver.will_answer(status)
    with pytest.raises(DeliveryError) as caught:
        post(receiver.url)
    assert (caught.value.kind, caught.value.status, caught.value.can_retry) == (f"status_{status}", status, True)


def test_gone_is_for_good(receiver: Receiver) -> None:
    receiver.will_answer(410)
    with pytest.raises(TargetGoneError) as caught:
        post(receiver.url)
    assert (caught.value.status, caught.value.can_retry) == (410, False)


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.will_answer(receivers.redirect_to(f"http://127.0.0.1:{receiver.port}/secret"))
    with pytest.raises(DeliveryError) as caught:
        post(receiver.url)
    assert caught.value.kind == "status_307"
    assert [one.path for one in receiver.received] == ["/hook"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(receivers.drip, "timeout"), (receivers.hang, "timeout"), (receivers.no_http, "protocol")],
)
def test_what_is_no_answer(receiver: Receiver, answer: Answer, kind: str) -> None:
    receiver.will_answer(answer)
    with pytest.raises(DeliveryError) as caught:
        post(receiver.url, seconds=0.5)
    assert (caught.value.kind, caught.value.status) == (kind, None)


def test_a_body_without_end_is_not_read(receiver: Receiver) -> None:
    receiver.will_answer(receivers.flood)
    assert post(receiver.url) == 200


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryError) as caught:
            post(f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert caught.value.kind == "connection"


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would connect wherever it likes."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert post(receiver.url) == 204


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return public, private


def test_certificates_are_those_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public, private = certificate(tmp_path, "hooks.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    trusting = ssl.create_default_context(cafile=str(public))
    with receivers.receiver(tls=context) as found:
        with pytest.raises(DeliveryError) as caught:
            post(f"https://hooks.example.com:{found.port}/")
        assert caught.value.kind == "connection"
        monkeypatch.setattr(webhook, "_trust", lambda: trusting)
        assert post(f"https://hooks.example.com:{found.port}/") == 204
        with pytest.raises(DeliveryError):
            post(f"https://other.example.com:{found.port}/")
    assert len(found.received) == 1
