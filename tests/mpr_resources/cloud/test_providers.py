from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator

import pytest

from gpu_service.errors import BadInput, MprError
from mpr_resources.cloud.prompt import (
    SCHEMA,
    SYSTEM,
    Answer,
    parts,
    read_answers,
)
from mpr_resources.cloud.providers import (
    PROVIDERS,
    Completion,
    Model,
    Provider,
    Request,
    Usage,
    failures,
    key_of,
    open_provider,
)
from tests.cloud_server import (
    KEY,
    NAMES,
    CloudServer,
    serving,
)

SAW_ACME = [Answer(outcome="brand", brand="Acme", confidence=0.9, text="ACME")]
USAGE = Usage(1000, 50, 100)
AGAIN = "run the stage again later."
ADDRESS = {name: variable for name, (_, variable) in PROVIDERS.items()}
KEYS = {name: variable for name, (variable, _) in PROVIDERS.items()}
MALFORMED = "{p} did not answer with the requested JSON; run the stage again."
WRONG_KEY = "{p} refuses the key in {k}; set {k} to a valid one."
DOWN = "{p} has an error (HTTP {s}); " + AGAIN

CASES: dict[str, tuple[type[Exception], str]] = {
    "refusal": (failures.ContentRefusal, "{p} refuses to answer this."),
    "malformed": (failures.UnreadableAnswer, MALFORMED),
    "other_shape": (failures.UnreadableAnswer, MALFORMED),
    "short": (failures.UnreadableAnswer, MALFORMED),
    "garbage": (failures.UnreadableAnswer, MALFORMED),
    "nothing": (failures.UnreadableAnswer, MALFORMED),
    "truncated": (
        failures.UnreadableAnswer,
        "The answer of {p} was cut off at max_output_tokens; raise it.",
    ),
    "429": (failures.ProviderUnavailable, "{p} accepts no more requests for now; " + AGAIN),
    "500": (failures.ProviderUnavailable, DOWN),
    "503": (failures.ProviderUnavailable, DOWN),
    "529": (failures.ProviderUnavailable, DOWN),
    "slow": (failures.ProviderUnavailable, "{p} did not answer within 0.3 s; " + AGAIN),
    "cut": (
        failures.ProviderUnavailable,
        "The connection to {p} failed; check whether it can be reached, and {b} if set.",
    ),
    "401": (failures.RequestRejection, WRONG_KEY),
    "402": (failures.RequestRejection, "{p} refuses: the account of {k} has no credit."),
    "403": (failures.RequestRejection, "{p} does not let the key in {k} use some-model; check its rights."),
    "404": (failures.RequestRejection, "{p} has no model 'some-model'; correct its name in the settings."),
    "400": (failures.RequestRejection, "{p} rejects the request to some-model (HTTP 400): bad: your key is ***"),
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[CloudServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def providers(cloud: CloudServer) -> Iterator[dict[str, Provider]]:
    opened = {name: open_provider(name, cloud.environ()) for name in NAMES}
    yield opened
    for provider in opened.values():
        provider.close()


Ask1 = Callable[..., tuple[list[Answer], Completion]]


@pytest.fixture
def ask(cloud: CloudServer, providers: dict[str, Provider]) -> Ask1:
    def ask(name: str, fault: str, pictures: int = 1, timeout_s: float = 30.0) -> tuple[list[Answer], Completion]:
        cloud.requests.clear()
        cloud.script = lambda request, number: fault
        shown = parts([(b"\xff\xd8 a picture", [b"\xff\xd8 context"])] * pictures)
        said = providers[name].ask(Request("some-model", SYSTEM, shown, SCHEMA, 500, timeout_s))
        try:
            return read_answers(said.text, pictures), said
        except ValueError:
            raise failures.unreadable(name, said.usage) from None

    return ask


@pytest.mark.parametrize("name", NAMES)
def test_an_answer(ask: Ask1, cloud: CloudServer, name: str) -> None:
    answers, said = ask(name, "success", pictures=2)
    assert answers == SAW_ACME * 2
    assert said.usage == USAGE
    [request] = cloud.requests
    assert (request.provider, request.key) == (name, f"{KEY}-{name}")
    assert request.pictures == [b"\xff\xd8 a picture"] * 2
    assert str(SCHEMA["required"]).replace("'", '"') in str(request.body).replace("'", '"'), "the output is structured"


@pytest.mark.parametrize("name", NAMES)
def test_it_does_not_know(ask: Ask1, name: str) -> None:
    answers, said = ask(name, "unknown")
    assert answers == [Answer(outcome="unknown", confidence=0.2)]
    assert said.usage == USAGE


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", CASES)
def test_what_goes_wrong_is_one_sentence(
    ask: Ask1, cloud: CloudServer, name: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kind, sentence = CASES[fault]
    with pytest.raises(MprError) as raised:
        ask(name, fault, timeout_s=0.3 if fault == "slow" else 30.0)
    assert type(raised.value) is kind
    assert str(raised.value) == sentence.format(p=name, k=KEYS[name], b=ADDRESS[name], s=fault)
    assert len(cloud.requests) == 1, "the SDK does not try again by itself: each request is paid for"
    if fault in ("refusal", "malformed", "truncated"):
        assert raised.value.usage == USAGE, "what it cost is known"  # type: ignore[attr-defined]
    if fault == "429":
        assert raised.value.retry_after_s == 1.0  # type: ignore[attr-defined]
    told = "".join(traceback.format_exception(raised.value)) + caplog.text + repr(raised.value.__dict__)
    assert KEY not in told


@pytest.mark.parametrize("name", NAMES)
def test_nobody_listens(name: str) -> None:
    with serving() as gone:
        environ = gone.environ()
    provider = open_provider(name, environ)
    with pytest.raises(failures.ProviderUnavailable) as raised:
        provider.ask(Request("m", SYSTEM, parts([(b"x", [])]), SCHEMA, 500, 5.0))
    assert str(raised.value) == CASES["cut"][1].format(p=name, b=ADDRESS[name])
    provider.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (None, "{k} is not set, so {p} cannot be used; set it, or remove {p}."),
        (" ", "{k} is not set, so {p} cannot be used; set it, or remove {p}."),
        ("clé", "{k} has characters that are not allowed in a key; copy the key of {p} again."),
        ("a\nb", "{k} has characters that are not allowed in a key; copy the key of {p} again."),
    ],
    ids=["not set", "blank", "not ASCII", "two lines"],
)
def test_a_key_that_cannot_be_one(name: str, key: str | None, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        key_of(name, {} if key is None else {KEYS[name]: key})
    assert str(raised.value) == sentence.format(p=name, k=KEYS[name])


@pytest.mark.parametrize("name", NAMES)
def test_an_address_that_is_none(name: str) -> None:
    with pytest.raises(BadInput, match=f"{ADDRESS[name]} is not a URL"):
        open_provider(name, {KEYS[name]: "k", ADDRESS[name]: "gateway"})


@pytest.mark.parametrize(
    ("text", "model"),
    [("groq/meta-llama/llama-4", Model("groq", "meta-llama/llama-4")), ("groq", None), ("groq/", None), ("x/y", None)],
    ids=["slashes", "no model", "empty model", "unknown provider"],
)
def test_how_a_model_is_written(text: str, model: Model | None) -> None:
    if model is not None:
        assert Model.parse(text) == model
        assert str(model) == text
    else:
        with pytest.raises(ValueError, match=r"is not a model; write PROVIDER/MODEL with one of anthropic, gemini"):
            Model.parse(text)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
    ids=["none", "seconds", "part of one", "nonsense", "a date gone by"],
)
def test_retry_after(header: dict[str, str], seconds: float | None) -> None:
    assert failures.retry_after_s(header) == seconds
