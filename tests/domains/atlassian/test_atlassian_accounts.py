"""Accounts of Atlassian's products: typed in, of the installation, signed in to with the browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from products import ACCESS, CLOUD_ID, EMAIL, KINDS, LocalSite, Product
from pydantic import SecretStr, ValidationError

from engine.integration_checks import check_settings
from llmcoder import oauth
from llmcoder.declare.connection import Grant, OAuth, read_form, revealed, shown
from llmcoder.errors import ActionError, BadInput, NeedsReconnect, NotConfigured, Refused, Transient
from llmcoder.settings import InvalidSettings
from llmcoder.testing import FakeContext

both = pytest.mark.parametrize("kind", KINDS)
LOCAL = ("127.0.0.1",)


def caller(*settings: Any) -> FakeContext:
    return FakeContext(settings, fetch_allow=LOCAL)


def declared(product: Product) -> OAuth[Any]:
    assert product.kind.oauth is not None
    return product.kind.oauth


# --- what is typed in


@pytest.mark.parametrize(
    "given",
    [
        {"site": "acme.atlassian.net", "token": "t"},
        {"site": "ftp://acme.example", "token": "t"},
        {"site": "https://user:pass@acme.example", "token": "t"},
        {"site": "https://acme.example?x=1", "token": "t"},
        {"site": "https://acme.example"},
        {"site": "https://acme.example", "token": "two lines\nX: y"},
        {"site": "https://acme.example", "token": "t", "email": "no address"},
        {"site": "https://acme.example", "token": "t", "email": "a:b@example.org"},
        {"site": "https://acme.example", "token": "t", "grant": {}},
        {"site": "https://acme.atlassian.net", "token": "t"},
    ],
)
def test_what_cannot_be_an_account_is_refused_without_its_token(product: Product, given: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        read_form(product.kind, given)
    assert "two lines" not in str(caught.value)


def test_what_is_shown_of_an_account_holds_no_secret(product: Product) -> None:
    account = read_form(product.kind, {"site": "https://acme.atlassian.net", "email": EMAIL, "token": product.token})
    assert product.token not in str(shown(account))
    assert product.token in revealed(account).decode()
    form = product.kind.form()
    assert form is not None and set(form["properties"]) == {"site", "email", "token", "cloud_id"}


def test_a_granted_account_has_an_id_and_a_typed_one_a_token(product: Product) -> None:
    with pytest.raises(ValidationError):
        product.account(site="https://acme.example", grant=Grant(access_token=SecretStr("t")))


# --- who it is


@both
def test_a_wrong_token_is_refused(site: LocalSite, kind: str) -> None:
    with pytest.raises(NeedsReconnect):
        site.product.kind.identify(getattr(site.server, kind)("wrong"), caller())


@both
@pytest.mark.parametrize(
    ("status", "error"), [(403, NeedsReconnect), (404, Refused), (429, ActionError), (500, Transient)]
)
def test_what_the_site_says_instead_names_the_remedy(
    site: LocalSite, kind: str, status: int, error: type[ActionError]
) -> None:
    site.server.next("GET", "refuse", status)
    with pytest.raises(error):
        site.product.kind.identify(getattr(site.server, kind)(), caller())


# --- the installation's


def test_the_installations_account_is_that_of_its_settings_and_may_be_private(site: LocalSite) -> None:
    site.product.fill(site.server)
    ctx = FakeContext([site.own()])
    assert ctx.connection(site.product.kind).account == ""
    site.do("GET", ctx)
    assert check_settings(site.own()) == f"{site.product.title}, as {EMAIL} at {urlsplit(site.server.url).netloc}."


def test_an_installation_without_an_account_has_none_and_says_what_is_missing(product: Product) -> None:
    url, token = product.url_field.upper(), f"{product.name.upper()}_API_TOKEN"
    assert product.kind.fallback is not None and product.kind.fallback(lambda kind: kind()) is None
    assert product.settings().missing() == [url, token]
    assert product.settings.model_validate({product.url_field: "https://a.example"}).missing() == [token]
    with pytest.raises(NotConfigured, match=url):
        check_settings(product.settings())
    app = {f"{product.name}_oauth_client_id": "a", f"{product.name}_oauth_client_secret": "b"}
    only_app = product.settings.model_validate(app)
    assert only_app.missing() == []
    assert "users connect their own" in check_settings(only_app)


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"email": "nobody", "api_token": "a b"}, "{0}_EMAIL, {0}_API_TOKEN"),
        ({"email": "", "api_token": "t"}, "{0}_EMAIL"),  # a token of Cloud without an address
    ],
)
def test_settings_that_cannot_be_used_are_named_without_their_values(
    product: Product, wrong: dict[str, str], names: str
) -> None:
    given = {f"{product.name}_{name}": value for name, value in wrong.items()}
    own = product.settings.model_validate({product.url_field: "https://acme.atlassian.net"} | given)
    assert product.kind.fallback is not None
    with pytest.raises(NotConfigured) as caught:
        product.kind.fallback(lambda kind: own)
    assert f"correct {names.format(product.name.upper())}." in str(caught.value)
    assert caught.value.__context__ is None


def test_a_setting_that_is_no_address_is_refused_by_its_name(product: Product) -> None:
    name = product.url_field.upper()
    with pytest.raises(InvalidSettings, match=name):
        product.settings.read({name: "wiki"})


# --- signed in to with the browser


def test_the_browser_is_sent_to_atlassian_with_what_it_wants_to_know(site: LocalSite) -> None:
    ctx, how = caller(site.registered()), declared(site.product)
    back = {"redirect_uri": "https://jobs.example.org/back", "state": "s", "verifier": "v"}
    url = urlsplit(oauth.authorize_url(how, how.client(ctx.settings), **back))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{site.server.url}/authorize"
    assert (asked["audience"], asked["prompt"], asked["response_type"]) == ("api.atlassian.com", "consent", "code")
    assert asked["scope"].split() == list(site.product.scopes)
    assert site.product.settings().installation.oauth_url == "https://auth.atlassian.com"
    with pytest.raises(NotConfigured, match=f"{site.product.name.upper()}_OAUTH_CLIENT_ID"):
        how.client(lambda kind: kind())


def test_a_sign_in_finds_its_site_and_says_who_it_is(site: LocalSite) -> None:
    ctx, how = caller(site.registered()), declared(site.product)
    grant, answer = oauth.exchange(
        how, how.client(ctx.settings), code="c", verifier="v", redirect_uri="https://x.example/back", within_s=10
    )
    account = how.credentials(grant, answer, ctx)
    assert (account.site, account.cloud_id) == ("https://acme.atlassian.net", CLOUD_ID)
    assert site.product.kind.identify(account, ctx) == f"{EMAIL} at acme.atlassian.net"


def test_a_sign_in_that_gave_no_site_with_the_product_is_refused(site: LocalSite) -> None:
    site.server.next("GET /oauth/token/accessible-resources", "refuse", 200, [])
    with pytest.raises(Refused, match=f"no site with {site.product.title}"):
        declared(site.product).credentials(Grant(access_token=SecretStr(ACCESS)), {}, caller(site.registered()))


def test_of_several_sites_the_one_of_the_installation_counts(site: LocalSite) -> None:
    sites = [{"id": f"c-{n}", "url": f"https://s{n}.atlassian.net", "scopes": site.product.scopes} for n in (1, 2)]
    other = {"id": "c-0", "url": "https://s2.atlassian.net", "scopes": ["read:other-product"]}
    site.server.next("GET /oauth/token/accessible-resources", "refuse", 200, [other, *sites])
    settings = site.registered(**{site.product.url_field: "https://s2.atlassian.net"})
    account = declared(site.product).credentials(Grant(access_token=SecretStr(ACCESS)), {}, caller(settings))
    assert account.cloud_id == "c-2"


def test_an_api_token_with_scopes_works_by_the_sites_id(site: LocalSite) -> None:
    site.product.fill(site.server)
    account = site.product.account(
        site="https://acme.atlassian.net", email=EMAIL, token=SecretStr(site.product.token), cloud_id=CLOUD_ID
    )
    ctx = site.context(credentials=account, settings=[site.registered()])
    site.do("GET", ctx)
    assert site.server.seen and all(CLOUD_ID in target for target in site.server.asked())
    assert site.product.kind.identify(account, ctx) == f"{EMAIL} at acme.atlassian.net"


@pytest.mark.parametrize("reads", [True, False])
def test_a_token_that_ended_is_renewed_once_and_the_request_sent_again(site: LocalSite, reads: bool) -> None:
    site.product.fill(site.server)
    ctx = site.context(credentials=site.granted("ended"), settings=[site.registered()])
    site.do("GET" if reads else site.product.first_write, ctx)
    assert site.product.written(site.server) == (0 if reads else 1)
    assert len(site.server.asked("POST /oauth/token")) == 1
    assert len(ctx.connection(site.product.kind).replaced) == 1


def test_a_token_that_ends_soon_is_renewed_before_it_is_used(site: LocalSite) -> None:
    site.product.fill(site.server)
    soon = datetime.now(UTC) + timedelta(seconds=30)
    site.do("GET", site.context(credentials=site.granted(expires_at=soon), settings=[site.registered()]))
    assert site.server.asked()[0] == "POST /oauth/token"


def test_a_dead_grant_wants_a_reconnect(site: LocalSite) -> None:
    ctx = site.context(credentials=site.granted("ended"), settings=[site.registered()])
    site.server.next("POST /oauth/token", "refuse", 403, {"error": "invalid_grant"})
    with pytest.raises(NeedsReconnect):
        site.do("GET", ctx)
