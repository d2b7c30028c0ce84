"""Settings: where they come from and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config import ConfigError, LogSettings, Settings, load_settings
from runtime.console import LogFormat
from sys_processes.http_server.settings import HttpSettings


def override(text: str) -> list[tuple[str, str]]:
    key, _, value = text.partition("=")
    return [(key, value)]


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, "utf-8")
    return path


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "config.toml")
    assert settings == load_settings(None) == Settings()
    assert (settings.http.timeout, settings.http.max_body, settings.http.origins) == (15.0, 10_485_760, ())
    assert settings.http.register_timeout == 10.0
    assert (settings.http.max_unregistered, settings.http.max_channels) == (128, 20_000)
    assert not settings.http.encrypted_plain_ok
    assert not settings.http.rpc_open
    assert settings.log == LogSettings(verbosity=0, format=LogFormat.Text)


def test_the_file_sets_what_it_names(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [http]
        timeout = 30
        max_body = 1_000
        origins = ["https://Example.org", "http://localhost:5173"]
        [ws]
        register_timeout = 0.5
        encrypted_plain_ok = true
        [log]
        format = "json"
        """,
    )
    settings = load_settings(path)
    http = settings.http
    assert (http.timeout, http.max_body, http.register_timeout) == (30.0, 1000, 0.5)
    assert http.origins == ("https://Example.org", "http://localhost:5173")
    assert http.encrypted_plain_ok
    assert http.max_channels == HttpSettings().max_channels
    assert settings.log.format is LogFormat.Json


def test_the_command_line_wins_and_the_last_word_counts(tmp_path: Path) -> None:
    path = written(tmp_path, "[http]\ntimeout = 30\nmax_body = 5\n")
    settings = load_settings(path, [("http.timeout", "40"), ("http.timeout ", " 50.5"), ("rpc.open", "true")])
    assert settings.http == HttpSettings(timeout=50.5, max_body=5, rpc_open=True)


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("http.origins=", ()),
        ("http.origins=[]", ()),
        ("http.origins=https://a", ("https://a",)),
        ("http.origins=https://a, http://b:1", ("https://a", "http://b:1")),
        ('http.origins=["https://a"]', ("https://a",)),
    ],
)
def test_a_list_needs_no_brackets_on_the_command_line(text: str, origins: tuple[str, ...]) -> None:
    assert load_settings(None, override(text)).http.origins == origins


@pytest.mark.parametrize("text", ["log.format=json", 'log.format="json"', "log.format='json'"])
def test_a_word_needs_no_quotes_on_the_command_line(text: str) -> None:
    assert load_settings(None, override(text)).log.format is LogFormat.Json


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http.timeout=soon", r"http\.timeout is 'soon'; it takes a number"),
        ("http.timeout=", r"http\.timeout is ''; it takes a number"),
        ("http.timeout=0", r"http\.timeout is 0\.0; it takes a number above zero"),
        ("http.timeout=inf", "is inf; it takes a number"),
        ("http.timeout=nan", "is nan; it takes a number"),
        ("http.timeout=true", "is True; it takes a number"),
        ("http.timeout=1" + "0" * 400, r"is 10+\.\.\.; it takes a number"),
        ("http.max_body=1.5", r"is 1\.5; it takes a whole number"),
        ("http.max_body=true", "is True; it takes a whole number"),
        ("http.max_body=-1", "is -1; it takes a number above zero"),
        ("http.max_body=99999999999999999999", "it takes a whole number"),
        ("ws.max_channels=0", "is 0; it takes a number above zero"),
        ("rpc.open=1", "is 1; it takes true or false"),
        ("http.max_body=1" + "0" * 5000, "it takes a whole number"),
        ("rpc.open=yes", "is 'yes'; it takes true or false"),
        ("log.verbosity=4", "is 4; it takes 0, 1, 2 or 3"),
        ("log.format=xml", 'is \'xml\'; it takes "text" or "json"'),
        ("http.origins=example.org", "it takes origins such as"),
        ("http.origins=[1]", "it takes a list of texts"),
        ("http.timeot=1", r"http\.timeot is no setting; those of \[http\] are timeout, max_body, origins"),
        ("web.timeout=1", r"\[web\] is no section; there are \[http\], \[ws\], \[rpc\], \[log\]"),
        ("timeout=1", r"\[timeout\] is no section"),
        ("=1", "is no section"),
        ("http=1", r"http is no setting; those of \[http\]"),
        ("http.timeout=1\nmax_body=2", "it takes a number"),
    ],
)
def test_a_bad_override_says_what_was_found_and_what_is_wanted(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as raised:
        load_settings(None, override(text))
    assert raised.value.source == "--set"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http = 5", r"http is 5; write \[http\]"),
        ("[http]\ntimeout = '15'", r"http\.timeout is '15'; it takes a number"),
        ("[http]\ntimeout = 2020-01-01", "it takes a number"),
        ("[ws]\ntimeout = 15", r"ws\.timeout is no setting; those of \[ws\] are register_timeout,"),
        ("[other]", r"\[other\] is no section"),
        ("[http\n", r"is no TOML: .*line 1"),
        ("[http]\ntimeout = 1\ntimeout = 2", "is no TOML"),
        ("[rpc]\nopen = ['" + "x" * 500 + "']", r"is \['x+\.\.\.; it takes true"),
    ],
)
def test_a_bad_file_is_named_with_its_key(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=problem) as raised:
        load_settings(path)
    assert raised.value.source == str(path)
    assert str(path) in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path)
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(path)
