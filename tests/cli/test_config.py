"""`amcash config`."""

import json
import re
from dataclasses import fields

import pytest

from amcash.settings import Settings


def test_every_setting_is_listed_with_its_value_its_source_and_its_variable(bare):
    shown = bare.json("config")
    assert list(shown) == [item.name for item in fields(Settings)]
    assert shown["database"] == {
        "value": "sqlite:///amcash.db",
        "source": "default",
        "variable": "AMCASH_DATABASE",
    }
    assert shown["budget_ms"]["value"] == 5000


def test_an_option_comes_before_the_environment_before_the_default(bare):
    result = bare("config", "--database", "sqlite:///a.db", "--json", AMCASH_DATABASE="sqlite:///b.db", AMCASH_PORT="9")
    shown = json.loads(result.stdout)
    assert (shown["database"]["value"], shown["database"]["source"]) == ("sqlite:///a.db", "option")
    assert (shown["port"]["value"], shown["port"]["source"]) == (9, "environment")
    assert shown["host"]["source"] == "default"


def test_the_table_has_a_line_for_each_setting(bare):
    heading, *lines = bare.done("config", AMCASH_SANDBOX="1").splitlines()
    assert re.fullmatch(r"Setting +From +Variable +Value", heading)
    assert len(lines) == len(fields(Settings))
    assert any(re.fullmatch(r"sandbox +environment +AMCASH_SANDBOX +yes", line) for line in lines)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@host:5432/name",
        "postgresql://user:hunter2%40@host/name",
        "postgresql://host/name?user=u&password=hunter2",
        "postgresql://user:hun@ter2hunter2@host/name",
        "postgresql://user:hun/hunter2@host/name",
    ],
)
@pytest.mark.parametrize("option", [[], ["--json"]])
def test_the_password_of_a_database_is_hidden(bare, url, option):
    printed = bare("config", "--database", url, *option).output
    assert "hunter2" not in printed
    assert "host" in printed


def test_a_value_that_cannot_be_used_is_shown_with_the_reason(bare):
    result = bare("config", AMCASH_PORT="many")
    assert result.exit_code == 1
    assert re.search(r"port +environment +AMCASH_PORT +many", result.stdout)
    assert result.stderr == "Error: AMCASH_PORT must be a whole number, not 'many'\n"


def test_a_name_that_is_no_setting_is_told_beside_those_that_are(bare):
    result = bare("config", AMCASH_PROT="8080")
    assert result.exit_code == 1
    assert "AMCASH_PORT" in result.stdout
    assert "AMCASH_PROT is not a setting" in result.stderr


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("AMCASH_DATABASE", "nonsense", "begins no database URL"),
        ("AMCASH_LOG_LEVEL", "loud", "must be one of debug, info"),
        ("AMCASH_PUBLIC_URL", "tills.example.com", "must be a URL such as https://"),
        ("AMCASH_PUBLIC_URL", "https://", "must be a URL such as https://"),
        ("AMCASH_PUBLIC_URL", "https://tills.example.com?x", "must be a URL such as https://"),
        ("AMCASH_AUDIENCE", "", "must not be empty"),
    ],
)
def test_what_cannot_be_used_is_shown_and_said_why(bare, variable, value, why):
    result = bare("config", **{variable: value})
    assert result.exit_code == 1
    assert re.search(rf"environment +{variable} +{re.escape(value) or '.none.'}\n", result.stdout)
    assert why in result.stderr


@pytest.mark.parametrize("value", ["", "https://tills.example.com", "http://[::1]:8080/amcash/"])
def test_a_public_url_may_be_any_base(bare, value):
    bare.done("config", AMCASH_PUBLIC_URL=value)


def test_an_ipv6_host_stands_in_brackets():
    assert Settings(host="::1").address == "http://[::1]:8080"
    assert Settings(host="::1", tls_cert="x").listening_at(1) == "https://[::1]:1"
