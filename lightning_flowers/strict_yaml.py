"""YAML in which no key stands twice: PyYAML takes the last one, and what the first one said is lost."""

from typing import Any

import yaml


class RepeatedKeyError(yaml.MarkedYAMLError):
    """A key stands twice."""


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)  # before `<<` puts others' keys into it
        seen = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise RepeatedKeyError(problem=f"{key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return node


def load(text: str) -> Any:
    """What a YAML says.

    Raises:
        RepeatedKeyError: a key stands twice.
        yaml.YAMLError: it is none.
        ValueError: a value cannot be, such as a date.
    """
    return yaml.load(text, Loader=_Loader)
