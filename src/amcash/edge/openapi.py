"""The OpenAPI 3.1 document, made from the message types, and the page that shows it without any network.

Schemas come from `wire.messages`, codes, statuses and words from `domain.codes`, answers from the rules themselves
(`openapi_examples`): nothing is said twice, so nothing can disagree.
"""

import base64
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from importlib import util
from pathlib import Path

import msgspec

from amcash import __version__
from amcash.domain.codes import TABLE, Code, Endpoint
from amcash.edge import openapi_beside as beside
from amcash.edge import openapi_parts as parts
from amcash.edge import openapi_words as words
from amcash.edge.openapi_examples import REQUESTS as SAMPLE_REQUESTS
from amcash.edge.openapi_examples import Example, answers
from amcash.edge.openapi_parts import Json, answer_headers, json_content, ref
from amcash.wire.decode import BODY_BYTES_MAX
from amcash.wire.messages import REQUESTS, RESPONSES, EchoResponse, NoTokenResponse, Problem

_KEYED = frozenset({Endpoint.REDEEM, Endpoint.REVERSE})


def document(address: str) -> Json:
    """Return the OpenAPI document of the service at `address`; the same for the same address and version."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": words.TITLE,
            "summary": words.SUMMARY,
            "description": words.GUIDE.format(independent=words.INDEPENDENT, codes=_code_table()),
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
            "version": __version__,
        },
        "servers": [{"url": address}],
        "tags": [{"name": name, "description": description} for name, description in words.TAGS],
        "paths": {
            **{f"/checkout/amcash/{endpoint}": {"post": _call(endpoint)} for endpoint in Endpoint},
            **beside.paths(address),
        },
        "components": {
            "securitySchemes": parts.security_schemes(address),
            "parameters": parts.parameters(),
            "headers": parts.headers(),
            "responses": parts.responses(),
            "schemas": _schemas(),
        },
    }


# --- the four calls -------------------------------------------------------------------------------------------------


def _call(endpoint: Endpoint) -> Json:
    summary, description = words.OPERATIONS[endpoint]
    keyed = [ref("parameters", "Idempotency-Key")] if endpoint in _KEYED else []
    return {
        "tags": ["Checkout"],
        "operationId": str(endpoint),
        "summary": summary,
        "description": f"{description}\n\n**Branch on `responseCode`, never on the HTTP status.**",
        "security": [{"oauth2": []}, {"bearer": []}],
        "parameters": [*keyed, ref("parameters", "X-Request-Id")],
        "requestBody": {
            "required": True,
            "description": f"A JSON object of at most {BODY_BYTES_MAX // 1024} KiB, in UTF-8. Every value is a string.",
            "content": json_content(
                ref("schemas", REQUESTS[endpoint].__name__),
                {"published": {"summary": "the published sample", "value": _sorted(SAMPLE_REQUESTS[endpoint])}},
            ),
        },
        "responses": {
            str(int(status)): _answer(endpoint, status, examples)
            for status, examples in _by_status(answers(endpoint)).items()
        },
    }


def _sorted(body: Mapping[str, str]) -> dict[str, str]:
    """Return a body in the order of its names, as the library prints its samples and the encoder its answers."""
    return dict(sorted(body.items()))


def _by_status(examples: Iterable[Example]) -> dict[HTTPStatus, list[Example]]:
    grouped: dict[HTTPStatus, list[Example]] = {}
    for example in examples:
        grouped.setdefault(example.status, []).append(example)
    return grouped


def _answer(endpoint: Endpoint, status: HTTPStatus, examples: Sequence[Example]) -> Json:
    codes = list(dict.fromkeys(example.code for example in examples))
    names = list(dict.fromkeys(_answer_type(endpoint, code).__name__ for code in codes))
    schemas = [ref("schemas", name) for name in names]
    advice = "\n".join(_advice(endpoint, code) for code in codes)
    extra = []
    if endpoint in _KEYED and any(code is not None and TABLE[code].recorded for code in codes):
        extra.append("Idempotency-Replayed")
    if Code.OUTAGE in codes:
        extra.append("Retry-After")
    if None in codes:
        extra.append("WWW-Authenticate")
    return {
        "description": f"{words.STATUSES[status]}\n\n{advice}",
        "headers": answer_headers(*extra),
        "content": json_content(
            schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
            {example.name: {"summary": example.summary, "value": _sorted(example.body)} for example in examples},
        ),
    }


def _answer_type(endpoint: Endpoint, code: Code | None) -> type[msgspec.Struct]:
    if code is None:
        return NoTokenResponse
    if code is Code.INVALID_PARAMETER or TABLE[code].status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EchoResponse  # only what could be read of the request comes back (R-WIRE-5)
    return RESPONSES[endpoint]


def _advice(endpoint: Endpoint, code: Code | None) -> str:
    advice = words.NO_TOKEN if code is None else words.INSTEAD.get((endpoint, code)) or words.ADVICE[code]
    name = "no `responseCode`" if code is None else f"`{code}`"
    return f"- {name}: {advice.meaning} *Till:* {advice.till}"


def _code_table() -> str:
    rows = [
        f"| `{code}` | {int(TABLE[code].status)} | {TABLE[code].en} | {TABLE[code].fr} "
        f"| {'yes' if TABLE[code].recorded else 'no'} |"
        for code in sorted(TABLE)
    ]
    head = "| `responseCode` | HTTP | Display message | In French | Recorded |\n|---|---|---|---|---|"
    return "\n".join([head, *rows])


# --- schemas, from the message types ----------------------------------------------------------------------------------


def _schemas() -> Json:
    types = [*REQUESTS.values(), *RESPONSES.values(), NoTokenResponse, Problem]
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        properties = schema["properties"]
        schema["properties"] = {name: _never_null(properties[name]) for name in sorted(properties)}
        schema["required"].sort()
    for endpoint in Endpoint:
        schemas[RESPONSES[endpoint].__name__]["properties"]["responseCode"]["enum"] = sorted(
            {example.code for example in answers(endpoint) if example.code is not None}
        )
        language = schemas[REQUESTS[endpoint].__name__]["properties"].get("instantMessage")
        if language is not None:
            language["default"] = "en-CA"
    return schemas | beside.schemas()


def _never_null(schema: Json) -> Json:
    """Return the schema of a parameter that may be left out; None is only how Python says so (R-WIRE-2, R-WIRE-5)."""
    if "anyOf" not in schema:
        return schema
    (inner,) = (item for item in schema["anyOf"] if item != {"type": "null"})
    return dict(inner)


# --- the page -------------------------------------------------------------------------------------------------------


@functools.cache
def docs_page() -> str:
    """Return the page behind `/docs`. Its links are relative, so it also works behind a proxy that adds a prefix."""
    from jinja2 import Environment, PackageLoader  # noqa: PLC0415 -- not needed before somebody reads the page

    environment = Environment(loader=PackageLoader("amcash.edge", "pages"), autoescape=True, trim_blocks=True)
    return environment.get_template("docs.html").render(
        title=words.TITLE,
        summary=words.SUMMARY,
        independent=words.INDEPENDENT,
        version=__version__,
        calls=[(endpoint, words.OPERATIONS[endpoint][0]) for endpoint in Endpoint],
        script_digest=_csp_digest(environment.get_template("docs.js").render()),
        style_digest=_csp_digest(environment.get_template("docs.css").render()),
    )


def _csp_digest(source: str) -> str:
    """Return what a Content-Security-Policy needs to allow one inline script or style, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def static_folder() -> Path:
    """Return the folder of the page's static files, which come from a package at install time."""
    # Found, not imported: importing that package costs more than all of ours.
    found = util.find_spec("swagger_ui")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "static"
