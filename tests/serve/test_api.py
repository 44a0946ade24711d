"""The API answers as the predictor does, and tells what is wrong in a line."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from lightning_flowers import __version__
from lightning_flowers.data.sources.folder import open_split
from lightning_flowers.evaluation.calibration import fit_temperature, soften
from lightning_flowers.run.predictions import Predictions
from lightning_flowers.serve.app import build
from lightning_flowers.serve.settings import Settings
from lightning_flowers.serve.val_pictures import ValPictures

from .conftest import Colours, encoded, form

KEY = "a-key-of-some-length"


@pytest.mark.parametrize("split", ["val", "test"])
def test_each_picture_of_a_split_gets_the_answer_that_predict_gave(real, tiny_root, tiny_run, split):
    opened = open_split(tiny_root / "tfrecords-jpeg-64x64" / split, 64, 4, labelled=split != "test")
    pictures = [bytes(opened.image_bytes(position)) for position in range(len(opened))]
    val = Predictions.load(tiny_run / "predictions/val.npz")
    assert val.labels is not None
    temperature = fit_temperature(val.probabilities, val.labels)
    wanted = soften(Predictions.load(tiny_run / f"predictions/{split}.npz").probabilities, temperature)
    for answers in (
        [real.post("/v1/predict", files=form(picture)).json()["answers"][0] for picture in pictures],
        real.post("/v1/predict", files=form(*pictures)).json()["answers"],
        real.post("/v1/predict", json=encoded(*pictures)).json()["answers"],
    ):
        found = np.zeros_like(wanted)
        for row, answer in zip(found, answers, strict=True):
            for guess in answer["guesses"]:
                row[guess["label"]] = guess["probability"]
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert [answer["guesses"][0]["label"] for answer in answers] == wanted.argmax(1).tolist()


def test_a_real_model_tells_of_itself(real, tiny_run):
    about = real.get("/v1/model").json()
    assert (about["name"], about["classes"], about["size_px"], about["version"]) == ("tiny", 4, 64, __version__)
    assert about["calibrated"]
    assert about["backend"] == "openvino"
    assert about["threshold"]["right"] + about["threshold"]["wrong"] == 11
    assert real.get("/v1/classes").json() == {"classes": [f"flower {label}" for label in range(4)]}


def test_examples_are_shown_where_they_are_wanted(real, tiny):
    assert real.get("/v1/examples").json() == {"examples": []}
    assert real.get("/v1/val/0").status_code == 404
    with TestClient(build(tiny, Settings(), ValPictures(tiny, 3, 0))) as asking:
        shown = {example["number"]: example["name"] for example in asking.get("/v1/examples").json()["examples"]}
        assert len(set(shown.values())) == 3
        for number in range(-1, 12):
            found = asking.get(f"/v1/val/{number}")
            assert found.status_code == (200 if number in shown else 404)
            if number in shown:
                assert found.headers["Content-Type"] == "image/jpeg"
                (answer,) = asking.post("/v1/predict", files=form(found.content)).json()["answers"]
                assert answer["neighbours"] is None
        assert asking.get("/v1/model").json()["neighbours"] is None
        service: Any = vars(asking)["app"].state.service
        with service.pictures.taken(Settings.queue):
            assert asking.get(f"/v1/val/{min(shown)}").status_code == 503


def test_a_heat_map_comes_where_it_is_asked_for(real, tiny_root):
    opened = open_split(tiny_root / "tfrecords-jpeg-64x64" / "val", 64, 4, labelled=True)
    (answer,) = real.post("/v1/predict?heat_map=true", files=form(bytes(opened.image_bytes(0)))).json()["answers"]
    assert answer["heat_map"]["label"] == answer["guesses"][0]["label"]
    assert np.shape(answer["heat_map"]["places"]) == (2, 2)  # a 32nd of 64 px
    assert answer["heat_map"]["method"] == "exact"


def test_a_form_and_base64_are_answered_alike(client, picture):
    red, blue = picture("red"), picture("blue", "JPEG")
    of_form = client.post("/v1/predict?top=2", files=form(red, blue, name="x.png"))
    of_json = client.post("/v1/predict?top=2", json=encoded(red, blue))
    assert of_form.status_code == of_json.status_code == 200
    assert [answer["guesses"] for answer in of_form.json()["answers"]] == [
        answer["guesses"] for answer in of_json.json()["answers"]
    ]
    assert [answer["guesses"][0]["name"] for answer in of_json.json()["answers"]] == ["red", "blue"]
    assert [answer["picture"] for answer in of_json.json()["answers"]] == ["picture 0", "picture 1"]
    assert {len(answer["guesses"]) for answer in of_json.json()["answers"]} == {2}
    assert of_form.json()["answers"][0]["picture"] == "x.png"


def test_a_bad_picture_among_good_ones_does_not_stop_them(client, picture):
    found = client.post("/v1/predict", files=form(picture("red"), b"no picture"))
    assert found.status_code == 200
    good, bad = found.json()["answers"]
    assert (good["error"], good["guesses"][0]["name"]) == (None, "red")
    assert (bad["error"], bad["guesses"]) == ("is no picture of a known format", [])


def test_health_readiness_and_metrics(client, picture):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    client.post("/v1/predict", files=form(picture()))
    before, after = (_lost(client) for _ in range(2))
    assert after == before + 1
    text = client.get("/metrics").text
    assert 'flowers_requests_total{path="/v1/predict",status="200"}' in text
    assert "flowers_pictures_under_way 0.0" in text
    assert 'flowers_batch_pictures_bucket{le="1.0"}' in text


def _lost(client):
    """How many requests for pages that are not there were counted; this is one more."""
    client.get("/no/such/page")
    counted = client.get("/metrics").text.partition('flowers_requests_total{path="other",status="404"} ')[2]
    return float(counted.partition("\n")[0])


def test_without_the_key_there_is_no_answer(picture):
    with TestClient(build(Colours(), Settings(key=KEY))) as asking:
        for path in ("/v1/model", "/v1/classes", "/metrics"):
            assert asking.get(path).status_code == 401
            assert asking.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
        assert asking.get("/v1/val/0").status_code == 401
        for shown in (f"Bearer {KEY}x", f"Basic {KEY}", "Bearer", "Bearer \xe4"):
            refused = asking.post(
                "/v1/predict", files=form(picture()), headers={b"Authorization": shown.encode("latin-1")}
            )
            assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert KEY not in refused.text
        good = asking.post("/v1/predict", files=form(picture()), headers={"Authorization": f"Bearer {KEY}"})
        assert good.status_code == 200
        assert {asking.get(path).status_code for path in ("/", "/healthz", "/readyz", "/openapi.json")} == {200}


def test_each_answer_keeps_browsers_careful(client):
    for path in ("/", "/page/page.js", "/v1/model", "/no/such/page", "/page/../app.py", "/page/%2e%2e/app.py"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "Access-Control-Allow-Origin" not in headers
    assert client.get("/page/%2e%2e/app.py").status_code == 404


def test_other_sites_may_call_where_they_are_named():
    with TestClient(build(Colours(), Settings(origins=("https://example.org",)))) as asking:
        for origin, allowed in (("https://example.org", "https://example.org"), ("https://example.com", None)):
            found = asking.get("/v1/model", headers={"Origin": origin})
            assert found.headers.get("Access-Control-Allow-Origin") == allowed


def test_the_description_has_examples_and_failures(client):
    described = client.get("/openapi.json").json()
    post = described["paths"]["/v1/predict"]["post"]
    assert {"200", "408", "413", "415", "422", "500", "503"} <= set(post["responses"])
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    (example,) = post["requestBody"]["content"]["application/json"]["examples"].values()
    assert client.post("/v1/predict", json=example["value"]).status_code == 200
    assert described["components"]["schemas"]["Answers"]["examples"]


def test_the_page_asks_no_other_host(client):
    import re

    page, style, script = (client.get(path).text for path in ("/", "/page/style.css", "/page/page.js"))
    assert "Which flower is it?" in page
    assert not re.search(r"https?://|url\(|\bstyle=|\bon\w+=", page + style + script)
