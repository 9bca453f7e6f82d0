"""Cuts OpenAI's published OpenAPI description down to the schemas that the tests of the stand-in need.

    git clone --depth 1 https://github.com/openai/openai-openapi
    python3 cut_published.py openai-openapi > published.json

Words for people (descriptions, examples, titles) are left out; nothing that decides what is valid is.
Needs PyYAML. The description is published there under the MIT license; the cut names the commit that it was made from.
"""

import json
import subprocess
import sys

import yaml

ROOTS = [
    "Batch", "CreateResponse", "DeleteFileResponse", "ErrorResponse", "ListBatchesResponse", "ListFilesResponse", "ListModelsResponse", "OpenAIFile", "Response",
]
WORDS = {"description", "example", "examples", "title", "default", "deprecated"}
SOURCE = "https://github.com/openai/openai-openapi"
PREFIX = "#/components/schemas/"


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value.removeprefix(PREFIX)
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def without_words(node, of_properties=False):
    """A property may well be called `description`: names of properties are no keywords."""
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if of_properties or (k not in WORDS and not k.startswith("x-"))}
        return {k: without_words(v, not of_properties and k == "properties") for k, v in kept.items()}
    if isinstance(node, list):
        return [without_words(value) for value in node]
    return node


def git(*arguments):
    return subprocess.run(["git", "-C", sys.argv[1], *arguments], check=True, capture_output=True, encoding="utf-8").stdout


def main():
    published = yaml.load(git("show", "HEAD:openapi.yaml"), Loader=yaml.CSafeLoader)
    schemas = published["components"]["schemas"]
    needed, todo = set(), list(ROOTS)
    while todo:
        name = todo.pop()
        if name not in needed:
            needed.add(name)
            todo.extend(references(schemas[name]))
    info = published["info"]
    lines = [f"{json.dumps(name)}: {json.dumps(without_words(schemas[name]), sort_keys=True)}" for name in sorted(needed)]
    origin = {key: info[key] for key in ("title", "version", "license")}
    origin |= {"copyright": "Copyright (c) OpenAI (https://openai.com)", "source": SOURCE, "commit": git("rev-parse", "HEAD").strip()}
    print(f'{{"info": {json.dumps(origin)},\n"components": {{"schemas": {{\n' + ",\n".join(lines) + "\n}}}")


main()
