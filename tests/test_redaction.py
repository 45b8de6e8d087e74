import pytest

from d3d.errors import RecordError
from d3d.redaction import is_redacted, redacted

SECRET = "s3cret"


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:s3cret@host:5000",
        "https://s3cret@host/path",
        "http://ann:s3cret/with@slash@host",
        "postgresql+psycopg2://ann:s3cret@host/name?sslmode=require",
        "postgresql://host/name?user=ann&password=s3cret",
        "mssql+pyodbc:///?odbc_connect=PWD%3Ds3cret",
        "http://host/path?x=1&access_token=s3cret#end",
        "https://host/path#token=s3cret",
        "https://host/path?sv=2024&sig=s3cret",
    ],
)
def test_a_secret_is_left_out_wherever_its_uri_stands(uri: str) -> None:
    for text in (uri, f'tracking.uri="{uri}" seeds=3', f"API request to {uri}/api failed: no route", f"('{uri}',)"):
        assert SECRET not in redacted(text)
        assert SECRET not in str(RecordError(text))
        assert redacted(redacted(text)) == redacted(text)
    assert "host" in redacted(uri) or "odbc_connect=***" in redacted(uri), "what is no secret stays"
    assert is_redacted(redacted(uri))
    assert not is_redacted(uri)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/ann@work/mlflow.db",
        "http://127.0.0.1:5000",
        "ann@example.org wrote a: b",
        "see https://host/x?row=2&clip=3&design=4",
        "keys=3 *** token=4",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert redacted(text) == text
    assert not is_redacted(text) or "://" not in text


def test_a_long_text_is_redacted_at_once() -> None:
    for part in ("pass", "a=b&", "@", "token="):
        redacted("http://host?" + part * 100_000)  # took minutes where each beginning of an option was tried anew
