"""Signing up by SAML: what the identity provider has signed counts, and nothing else in the message."""

import base64
import re
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.test import Client

signing = pytest.importorskip(
    "onelogin.saml2.utils", reason="SAML is not installed: pip install -r requirements-saml.txt"
).OneLogin_Saml2_Utils

ENTITY = "https://id.contoso.example/entity"
HOST = "portal.contoso.example"
PORTAL = f"http://{HOST}/account/saml/contoso/"
SIGN_UP = "/account/3rdparty/signup/"
SUBJECT_ID = "urn:oasis:names:tc:SAML:attribute:subject-id"
EMAIL = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"

ASSERTION = """<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
    ID="{id}" Version="2.0" IssueInstant="{now}"><saml:Issuer>{issuer}</saml:Issuer>
<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{email}</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<saml:SubjectConfirmationData NotOnOrAfter="{end}" Recipient="{portal}acs/" InResponseTo="{request}"/>
</saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{start}" NotOnOrAfter="{end}"><saml:AudienceRestriction>
<saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
<saml:AuthnStatement AuthnInstant="{now}" SessionIndex="s1"><saml:AuthnContext>
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>
</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>
<saml:Attribute Name="{subject_id}"><saml:AttributeValue>{email}</saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="{email_name}"><saml:AttributeValue>{email}</saml:AttributeValue></saml:Attribute>
</saml:AttributeStatement></saml:Assertion>"""
RESPONSE = """<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"
    xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_response" Version="2.0" IssueInstant="{now}"
    Destination="{portal}acs/" InResponseTo="{request}"><saml:Issuer>{issuer}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
{assertions}</samlp:Response>"""


def _pair() -> tuple[str, str]:
    """Certificate and key in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "id.contoso.example")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = certificate.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.sign(key, hashes.SHA256()).public_bytes(pem).decode(), plain.decode()


CERTIFICATE, KEY = _pair()


@pytest.fixture
def app(db, settings) -> SocialApp:
    settings.ALLOWED_HOSTS = [HOST]
    body = re.sub(r"-----[A-Z ]+-----|\s", "", CERTIFICATE)
    idp = {"entity_id": ENTITY, "sso_url": "https://id.contoso.example/sso", "x509cert": body}
    return SocialApp.objects.create(
        provider="saml", provider_id="contoso", name="Contoso", client_id="contoso", settings={"idp": idp}
    )


class Visit:
    """A browser on its way back from the provider, with an answer to what the portal has asked."""

    def __init__(self) -> None:
        self.client = Client(HTTP_HOST=HOST)
        target = self.client.post("/account/saml/contoso/login/").context["target"]
        asked = zlib.decompress(base64.b64decode(parse_qs(urlsplit(target).query)["SAMLRequest"][0]), -15).decode()
        now = datetime.now(UTC)
        times = {"now": now, "start": now - timedelta(minutes=1), "end": now + timedelta(minutes=5)}
        self.values = {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in times.items()}
        self.values |= {"request": re.search(r'\bID="([^"]+)"', asked)[1], "portal": PORTAL, "issuer": ENTITY}

    def assertion(self, email: str = "dora@example.org", id: str = "_assertion", **changes: str) -> str:
        values = {"audience": f"{PORTAL}metadata/", "subject_id": SUBJECT_ID, "email_name": EMAIL}
        return ASSERTION.format(**{**self.values, **values, "email": email, "id": id, **changes})

    def response(self, *assertions: str, **changes: str) -> str:
        return RESPONSE.format(**{**self.values, "assertions": "".join(assertions), **changes})

    def come_back(self, response: str):
        posted = {"SAMLResponse": base64.b64encode(response.encode()).decode()}
        return self.client.get(self.client.post("/account/saml/contoso/acs/", posted)["Location"])

    def is_welcome(self, response: str) -> bool:
        answer = self.come_back(response)
        if answer.headers.get("Location") == SIGN_UP:
            return True
        assert "That did not work" in answer.text
        return False


def _signed(xml: str, key: str = KEY) -> str:
    signed = signing.add_sign(xml, key, CERTIFICATE)
    return re.sub(r"<\?xml[^>]*\?>\s*", "", signed.decode() if isinstance(signed, bytes) else signed)


@pytest.fixture
def visit(app) -> Visit:
    return Visit()


def test_signed_assertion_signs_up_whom_it_names(visit):
    assert visit.is_welcome(visit.response(_signed(visit.assertion())))
    assert 'value="dora@example.org"' in visit.client.get(SIGN_UP).text
    visit.client.post(SIGN_UP, {"email": "dora@example.org", "first_name": "Dora", "last_name": "Doe"})
    assert SocialAccount.objects.get().user.email == "dora@example.org"


def test_signed_response_does_too(visit):
    assert visit.is_welcome(_signed(visit.response(visit.assertion())))


def test_what_nobody_has_signed_is_refused(visit):
    assert not visit.is_welcome(visit.response(visit.assertion()))


def test_signature_by_another_key_is_refused(visit):
    assert not visit.is_welcome(visit.response(_signed(visit.assertion(), key=_pair()[1])))


def test_changed_assertion_is_refused(visit):
    signed = visit.response(_signed(visit.assertion()))
    assert not visit.is_welcome(signed.replace("dora@example.org", "alice@example.org"))


@pytest.mark.parametrize("place", ["before", "behind", "around", "inside", "in its place"])
def test_signed_assertion_wrapped_by_a_forged_one_is_refused(place, visit):
    """XML signature wrapping: the signature is right, and what the portal would read is something else."""
    signed = _signed(visit.assertion("dora@example.org"))
    forged = visit.assertion("alice@example.org", id="_forged")
    same_id = visit.assertion("alice@example.org")
    end = "</saml:Assertion>"
    extension = f"<samlp:Extensions>{signed}</samlp:Extensions>"
    messages = {
        "before": visit.response(forged, signed),
        "behind": visit.response(signed, forged),
        "around": visit.response(forged.replace(end, signed + end)),
        "inside": visit.response(signed.replace(end, forged + end)),
        "in its place": visit.response(same_id).replace("<samlp:Status>", extension + "<samlp:Status>"),
    }
    assert not visit.is_welcome(messages[place])
    assert "alice@example.org" not in visit.client.get(SIGN_UP, follow=True).text


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"audience": "https://another.example/"}, id="for another site"),
        pytest.param({"end": "2020-01-01T00:00:00Z"}, id="expired"),
        pytest.param({"issuer": "https://another.example/"}, id="of another provider"),
        pytest.param({"portal": "https://another.example/"}, id="to another address"),
    ],
)
def test_assertion_that_is_not_for_here_and_now_is_refused(changes, visit):
    assert not visit.is_welcome(visit.response(_signed(visit.assertion(**changes))))


def test_answer_that_nobody_asked_for_is_refused(visit, app):
    answer = visit.response(_signed(visit.assertion()))
    assert visit.is_welcome(answer)
    again = visit.come_back(answer)
    assert (again.status_code, again.headers.get("Location")) != (302, SIGN_UP)
    stranger = Visit()
    stolen = stranger.come_back(answer)
    assert (stolen.status_code, stolen.headers.get("Location")) != (302, SIGN_UP)
