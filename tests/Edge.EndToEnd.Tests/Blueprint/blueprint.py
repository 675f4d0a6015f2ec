"""Checks a Home Assistant automation blueprint, and renders it for messages as Home Assistant would.

Usage: blueprint.py BLUEPRINT [INPUTS]: INPUTS is a JSON object; each line of standard input is {"topic": ..., "payload": ...}, each line of
output {"told": ..., "data": ...}: whether the conditions hold, and the data of the first action.

From Home Assistant's documentation: "Blueprint schema", "Selectors", "Automation YAML", "Automation trigger" (MQTT), "Templating".
"""
import json
import re
import sys

import jinja2.nativetypes
import yaml

INPUT_KEYS = {"name", "description", "default", "selector"}
BLUEPRINT_KEYS = {"name", "description", "domain", "source_url", "author", "homeassistant", "input"}
AUTOMATION_KEYS = {"blueprint", "mode", "max", "max_exceeded", "trigger_variables", "triggers", "variables", "conditions", "actions"}
MODES = {"single", "restart", "queued", "parallel"}
TRIGGER_KEYS = {"trigger", "id", "topic", "payload", "value_template", "encoding", "qos", "enabled", "alias", "variables"}
CONDITION_KEYS = {"condition", "value_template", "alias", "enabled"}
ACTION_KEYS = {"action", "data", "target", "alias", "enabled"}
SELECTORS = {
    "text": {"multiline", "prefix", "suffix", "type", "autocomplete", "multiple"},
    "boolean": set(),
    "action": set(),
    "select": {"options", "multiple", "custom_value", "mode", "translation_key", "sort"},
}


class Input(str):
    """A value that stands for an input."""


class Loader(yaml.SafeLoader):
    pass


Loader.add_constructor("!input", lambda loader, node: Input(loader.construct_scalar(node)))


def keys(what, allowed, place):
    extra = set(what) - allowed
    if extra:
        raise SystemExit(f"{place}: {', '.join(sorted(extra))} is no key of it")


def inputs_in(value):
    if isinstance(value, Input):
        yield str(value)
    elif isinstance(value, dict):
        for each in value.values():
            yield from inputs_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from inputs_in(each)


def check(document):
    keys(document, AUTOMATION_KEYS, "blueprint file")
    blueprint = document["blueprint"]
    keys(blueprint, BLUEPRINT_KEYS, "blueprint")
    assert isinstance(blueprint["name"], str) and blueprint["domain"] == "automation"
    assert re.fullmatch(r"\d+\.\d+\.\d+", blueprint["homeassistant"]["min_version"])
    for name, each in blueprint["input"].items():
        keys(each, INPUT_KEYS, name)
        (kind, options), = each["selector"].items()
        keys(options or {}, SELECTORS[kind], f"selector of {name}")
        if kind == "select":
            assert set(each["default"]) <= set(options["options"]), name
    used = set(inputs_in({key: value for key, value in document.items() if key != "blueprint"}))
    assert used == set(blueprint["input"]), f"declared and used inputs differ: {used ^ set(blueprint['input'])}"
    assert document["mode"] in MODES
    for trigger in document["triggers"]:
        keys(trigger, TRIGGER_KEYS, "trigger")
        assert trigger["trigger"] == "mqtt" and trigger["qos"] in (0, 1, 2)
    for condition in document["conditions"]:
        keys(condition, CONDITION_KEYS, "condition")
        assert condition["condition"] == "template"
    for action in blueprint["input"]["actions"]["default"]:
        keys(action, ACTION_KEYS, "action")
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", action["action"])


def matches(pattern, topic):
    parts, levels = pattern.split("/"), topic.split("/")
    return len(parts) == len(levels) and all(part in ("+", level) for part, level in zip(parts, levels))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = yaml.load(file, Loader)
    check(document)
    given = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    values = {name: given.get(name, each["default"]) for name, each in document["blueprint"]["input"].items()}
    environment = jinja2.nativetypes.NativeEnvironment()

    def render(value, variables):
        if isinstance(value, Input):
            return values[value]
        if isinstance(value, str):
            result = environment.from_string(value).render(variables)
            return result.strip() if isinstance(result, str) else result
        if isinstance(value, dict):
            return {key: render(each, variables) for key, each in value.items()}
        return value

    for line in sys.stdin:
        message = json.loads(line)
        limited = {name: render(value, {}) for name, value in document["trigger_variables"].items()}
        for trigger in document["triggers"]:
            if not matches(render(trigger["topic"], limited), message["topic"]):
                continue
            now = {"trigger": {"id": trigger["id"], "topic": message["topic"], "payload": message["payload"]}}
            try:
                now["trigger"]["payload_json"] = json.loads(message["payload"])
            except ValueError:
                pass
            variables = {**limited, **now}
            for name, value in document["variables"].items():
                variables[name] = render(value, variables)
            told = all(render(each["value_template"], variables) is True for each in document["conditions"])
            action = render(document["actions"], variables)[0]
            print(json.dumps({"told": told, "data": render(action["data"], variables) if told else None}))


main()
