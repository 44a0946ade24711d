import pytest
import yaml

from lightning_flowers import strict_yaml


@pytest.mark.parametrize(
    "text", ["a: 1\nb: 2\na: 3", "- {x: {b: 1, c: 2, b: 1}}", "{1: a, 1: b}", "{<<: {a: 1}, <<: {b: 1}}"]
)
def test_a_key_that_stands_twice_is_refused(text):
    with pytest.raises(strict_yaml.RepeatedKeyError, match="stands twice"):
        strict_yaml.load(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [{a: 1}, {a: 2}]",
        "- OneOf: {all: [{Flip: &soft {<<: {p: 0.3}, p: 0.5}}]}\n- Turn: {<<: *soft}\n- Turn: {<<: *soft, p: 1}",
        "a: &a {b: 1}\nc: *a\nd: *a",
        "",
    ],
)
def test_all_else_is_as_pyyaml_has_it(text):
    assert strict_yaml.load(text) == yaml.safe_load(text)
