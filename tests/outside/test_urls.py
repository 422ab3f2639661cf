"""What an address is, and that none of its secrets is shown."""

import pytest

from hydro_pipeline.outside.urls import check_address, host_of, shown


@pytest.mark.parametrize("url", ["https://stac.example.com/v1", "http://127.0.0.1:8080"])
def test_an_address_of_a_server(url):
    check_address(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com", "give an address"),
        ("example.com/v1", "give an address"),
        ("https:///v1", "give an address"),
        ("https://example.com:port", "give an address"),
        ("https://me:secret@example.com", "must not hold a login"),
        ("https://example.com/v1?token=secret", "must not hold a query"),
        ("https://example.com/v1#secret", "must not hold a query"),
    ],
)
def test_what_is_no_address_or_would_show_a_secret(url, why):
    with pytest.raises(ValueError, match=why) as caught:
        check_address(url)
    assert "secret" not in str(caught.value)


def test_a_text_is_shown_without_the_secrets_of_its_addresses():
    text = "see https://me:secret@a.example/x?sig=secret and s3://b/c#secret, or http://d/e"
    assert shown(text) == "see https://***@a.example/x?*** and s3://b/c#*** or http://d/e"


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://A.example.:443/x", "a.example"), ("a.example", ""), ("http://[::1", "")],
)
def test_the_host_of_an_address(url, host):
    assert host_of(url) == host
