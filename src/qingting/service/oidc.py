"""Signing in through the organisation's identity provider: OpenID Connect, authorization code with PKCE.

Sources: OpenID Connect Core 1.0 (sections 3.1.2 and 3.1.3.7), Discovery 1.0, RFC 7636 (PKCE), RFC 9207
(the issuer in the answer), RFC 9700 (security). Claims are read from the ID token alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode, urlsplit

from qingting.errors import IdentityProviderError, NotFoundError, NotSignedInError, SettingsError

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

    from qingting.settings.service import OidcSection

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Signatures by a private key only: `none`, and digests keyed with something public, are refused."""
_LEEWAY_SECONDS = 60
_METADATA_SECONDS = 3600.0
_KEYS_SECONDS = 3600.0
_REFRESH_SECONDS = 30.0
"""Keys are fetched again for an unknown signer, but not more often than this."""
_TIMEOUT_SECONDS = 10.0
_MOST_BYTES = 1024**2
_REFUSED = "The identity provider's answer was not accepted."


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt to sign in; known to the browser that began it and to nobody else."""

    state: str
    """Comes back with the answer: ties it to this browser."""
    nonce: str
    """Stands in the ID token: ties it to this attempt."""
    verifier: str
    """PKCE: who redeems the code is who asked for it."""

    @classmethod
    def new(cls) -> Attempt:
        """Make one of 256 random bits each."""
        return cls(state=secrets.token_hex(32), nonce=secrets.token_hex(32), verifier=secrets.token_hex(32))


class OidcProvider:
    """The identity provider that the settings name; keeps what it published for a while; thread-safe."""

    def __init__(self, settings: OidcSection) -> None:
        """Raises NotFoundError when none is set up, SettingsError when the settings are incomplete."""
        if not settings.issuer:
            raise NotFoundError("Signing in through an identity provider is not set up.", remedy="Use a password.")
        if not settings.client_id or not settings.redirect_url:
            raise SettingsError(
                "oidc.issuer is set without oidc.client_id or oidc.redirect_url.", remedy="Set all three."
            )
        self._settings = settings
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def authorization_url(self, attempt: Attempt) -> str:
        """Return where the browser signs in; raises IdentityProviderError."""
        endpoint = self._endpoint("authorization_endpoint")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._settings.client_id,
                "redirect_uri": self._settings.redirect_url,
                "scope": "openid profile email",
                "state": attempt.state,
                "nonce": attempt.nonce,
                "code_challenge": challenge,
                "code_challenge_method": "S256",
            }
        )
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    def claims(self, attempt: Attempt, *, state: str, code: str, issuer: str = "") -> Mapping[str, Any]:
        """Redeem a code and return what the provider says of the person.

        `issuer` is the answer's `iss`, if it had one. Raises NotSignedInError when anything does not fit,
        IdentityProviderError when the provider is away or breaks its contract.
        """
        if not state or not hmac.compare_digest(state.encode(), attempt.state.encode()):
            raise NotSignedInError("This browser did not begin the attempt to sign in, or it was too long ago.")
        if issuer and issuer != self._settings.issuer:
            raise NotSignedInError(_REFUSED)
        return self._checked(self._redeem(code, attempt.verifier), attempt.nonce)

    def _redeem(self, code: str, verifier: str) -> str:
        import httpx2

        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._settings.redirect_url,
            "client_id": self._settings.client_id,
            "code_verifier": verifier,
        }
        secret = self._settings.client_secret.get_secret_value()
        authentication: httpx2.BasicAuth | None = None
        if secret and "client_secret_basic" in self._discovered().get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        ):
            # RFC 6749, section 2.3.1: both are encoded as in a form first.
            authentication = httpx2.BasicAuth(quote_plus(self._settings.client_id), quote_plus(secret))
        elif secret:
            form["client_secret"] = secret
        answer = _exchange("POST", self._endpoint("token_endpoint"), form=form, authentication=authentication)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise IdentityProviderError("The identity provider gave no ID token.")
        return token

    def _checked(self, token: str, nonce: str) -> Mapping[str, Any]:
        """Verify an ID token as OpenID Connect Core 1.0, section 3.1.3.7, demands."""
        from joserfc import jwt
        from joserfc.errors import JoseError

        claims = self._verified(token)
        client_id = self._settings.client_id
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS,
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True},
        )
        try:
            registry.validate(dict(claims))
        except JoseError:
            raise NotSignedInError(_REFUSED) from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        authorized = claims.get("azp", None if several else client_id)
        if authorized != client_id or not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise NotSignedInError(_REFUSED)
        return claims

    def _verified(self, token: str) -> Mapping[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jws import JWSRegistry

        # Providers add header fields of their own; critical ones are still refused.
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        for fresh in (False, True):
            try:
                return jwt.decode(token, self._signers(fresh=fresh), registry=registry).claims
            except (JoseError, ValueError):
                # The provider may have changed its keys since they were fetched.
                continue
        raise NotSignedInError(_REFUSED)

    def _signers(self, *, fresh: bool) -> KeySet:
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        with self._lock:
            age = time.monotonic() - self._keys[0] if self._keys else None
        if self._keys is not None and age is not None and age < (_REFRESH_SECONDS if fresh else _KEYS_SECONDS):
            return self._keys[1]
        published = _exchange("GET", self._endpoint("jwks_uri")).get("keys")
        # Symmetric keys have no place in a public document.
        public = [
            one
            for one in (published if isinstance(published, list) else [])
            if isinstance(one, dict) and one.get("kty") in {"RSA", "EC", "OKP"} and one.get("use", "sig") == "sig"
        ]
        try:
            keys = KeySet.import_key_set({"keys": public})
        except (JoseError, ValueError, KeyError, TypeError):
            raise IdentityProviderError("The identity provider published no usable keys.") from None
        with self._lock:
            self._keys = (time.monotonic(), keys)
        return keys

    def _endpoint(self, name: str) -> str:
        url = self._discovered().get(name)
        issuer_scheme = urlsplit(self._settings.issuer).scheme
        if not isinstance(url, str) or urlsplit(url).scheme not in {"https", issuer_scheme}:
            raise IdentityProviderError(f"The identity provider published no usable {name}.")
        return url

    def _discovered(self) -> Mapping[str, Any]:
        with self._lock:
            known = self._metadata
        if known is not None and time.monotonic() - known[0] < _METADATA_SECONDS:
            return known[1]
        issuer = self._settings.issuer
        found = _exchange("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise IdentityProviderError(
                "The identity provider calls itself otherwise than oidc.issuer.",
                remedy="Write oidc.issuer exactly as the provider's own description does.",
            )
        with self._lock:
            self._metadata = (time.monotonic(), found)
        return found


def _exchange(
    method: str, url: str, *, form: Mapping[str, str] | None = None, authentication: Any = None
) -> Mapping[str, Any]:
    """Ask the provider for a JSON object; its words never leave this function."""
    import httpx2

    try:
        with (
            httpx2.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False) as client,
            client.stream(method, url, data=form, auth=authentication) as response,
        ):
            body = b""
            for part in response.iter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise IdentityProviderError("The identity provider's answer is too long.")
            answer = httpx2.Response(response.status_code, content=body)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError):
        raise IdentityProviderError("The identity provider cannot be reached.") from None
    if form is not None and answer.status_code in {400, 401, 403}:
        raise NotSignedInError("The identity provider refused the attempt to sign in.")
    try:
        found = answer.json() if answer.status_code == 200 else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise IdentityProviderError("The identity provider gave no usable answer.")
    return found
