"""What a file is that is no COCO dataset, and what to do with it. Nothing is read that a dataset needs.

bytes        an archive, a page, a pointer, a list of labels: told by how they begin        recognise_bytes
JSON values  results, and the files of other programs: told by their keys                   recognise_json
no JSON      where the text breaks off from JSON, and what stands there                     explain_syntax
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

_SECTIONS = {"images", "annotations", "categories"}
_SHOWN_KEYS, _SHOWN_NAME = 8, 24

_UNPACK = "unpack it, and take the JSON file that is in it"
_MAGIC = (
    (b"\x1f\x8b", "a gzip file: unpack it (gunzip), or give it a name that ends in .gz"),
    (b"PK\x03\x04", f"a zip archive: {_UNPACK}"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"BZh", "a bzip2 file: unpack it (bunzip2)"),
    (b"\xfd7zXZ\x00", "an xz file: unpack it (unxz)"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file: unpack it (unzstd)"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive: {_UNPACK}"),
    (b"Rar!", f"a rar archive: {_UNPACK}"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"%PDF", "a PDF document"),
    (b"PAR1", "a Parquet table: export it as COCO JSON"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"version https://git-lfs.github.com/", "a Git LFS pointer: `git lfs pull` gets the file itself"),
)
_TEXTS = (
    (r"(?i)<!doctype html|<html", "an HTML page, most likely an error or a log-in page: download the file again"),
    (r"(?s)(<\?xml[^>]*>\s*)?<Error>", "an error of a file store in XML: download the file again"),
    (r"(?s)(<\?xml[^>]*>\s*)?<annotation", "an XML file of one picture (Pascal VOC): convert these files to COCO"),
    (r"<", "an XML file"),
    (
        r"(\d+(?:[ \t]+-?\d*\.?\d+(?:[eE]-?\d+)?){4,}[ \t]*(?:\r?\n|$))+",
        "a list of labels of one picture (YOLO): convert these files to COCO",
    ),
    (r"(?i)[^\n\"{}\[\]]+\.(jpe?g|png|bmp|tiff?|webp)[ \t]*(\r?\n|$)", "a list of pictures, as YOLO has them"),
    (r"(?m)(^#.*\n)*^(names|nc|train|val|path)[ ]*:", "a description of a dataset in YAML (YOLO), not its annotations"),
    (r"[\w .#\"]+(?:[,;\t][\w .#\"]+){3,}\r?\n", "a table (CSV): convert it to COCO"),
    (r"\{\s*'", "what Python prints for a dict, which is no JSON: write it with json.dump"),
    (r"(var|let|const|window)\b[^=\n]*=\s*[\[{]", "JavaScript: take the JSON value out of it"),
)
_RECOGNISED = [(re.compile(pattern), words) for pattern, words in _TEXTS]

_FORMATS: tuple[tuple[set[str], str], ...] = (
    ({"shapes", "imagePath"}, "a LabelMe file of one picture: convert these files to COCO"),
    ({"items", "categories"}, "a Datumaro file: export it as COCO (datumaro convert -f coco)"),
    ({"dm_format_version"}, "a Datumaro file: export it as COCO (datumaro convert -f coco)"),
    ({"objects", "size"}, "a Supervisely file of one picture: export the project as COCO"),
    ({"type", "features"}, "a GeoJSON file: convert it to COCO"),
    ({"samples"}, "a list of samples, as FiftyOne has it: export it as COCO"),
    ({"predictions"}, "predictions, not a dataset"),
    ({"frames"}, "a list of frames: convert it to COCO"),
    ({"regions", "filename"}, "a VIA file of one picture: export the project as COCO"),
)
_RESULTS = (
    "a results file: predictions, which belong to a dataset. Give the dataset's file here; "
    "pycocotools reads this one with loadRes()"
)
_LISTS: tuple[tuple[set[str], str], ...] = (
    ({"images", "annotations"}, "datasets in a list: take one out, or each into a file of its own"),
    ({"image_id", "score"}, _RESULTS),
    ({"image_id", "id", "category_id"}, "annotations alone: a dataset is an object with images and categories too"),
    ({"image_id"}, _RESULTS),
    ({"file_name", "id"}, "images alone: a dataset is an object with annotations and categories too"),
    ({"name", "labels"}, "a list of pictures with labels (Scalabel, BDD100K): convert it to COCO"),
    ({"image", "annotations"}, "a CreateML file: convert it to COCO"),
    ({"data", "annotations"}, "tasks of Label Studio: export them as COCO"),
    ({"data", "completions"}, "tasks of Label Studio: export them as COCO"),
    ({"name", "id"}, "categories alone: a dataset is an object with images and annotations too"),
)

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def recognise_bytes(data: bytes) -> str | None:
    """What a file is that is no JSON at all, and what to do; `None` where it does not look like any such."""
    for magic, words in _MAGIC:
        if data.startswith(magic):
            return words
    if data[257:262] == b"ustar":
        return f"a tar archive: {_UNPACK}"
    if data and not data.strip(b"\0"):
        return "nothing but NUL bytes: it was never written, or the disk lost it; take a backup"
    if re.match(rb"\x80[\x02-\x05]", data):
        return "a pickle of Python"
    head = data[:2000].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    return next((words for pattern, words in _RECOGNISED if pattern.match(head)), None)


def recognise_json(text: bytes) -> str | None:
    """What a JSON text is that is no dataset, and what to do; `None` where it may be one.

    Raises msgspec's errors where it is no JSON, and `RecursionError`.
    """
    start = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b'"{'):
        return "a JSON text within quotes: it was encoded twice, so decode it once"
    if start.startswith(b"["):
        return _recognise_list(_LIST.decode(start))
    if start.startswith(b"{"):
        fields = _OBJECT.decode(start)
        return recognise_keys(list(fields), fields)
    return recognise_bytes(text) or "one value, and a dataset is an object with images, annotations and categories"


def recognise_keys(keys: Sequence[str], fields: dict[str, msgspec.Raw] | None = None) -> str | None:
    """The same for an object with these keys; `fields` are its values, where they are at hand.

    An empty object is an empty dataset.
    """
    names = set(keys)
    if not names or names & {"images", "annotations"}:
        return None
    if any(key.startswith("_via_") for key in names):
        return "a VIA project: export it as COCO from there"
    for needed, words in _FORMATS:
        if needed <= names:
            return f"{words}. {_list_of(keys)}"
    if other_case := [key for key in keys if key.lower() in ("images", "annotations")]:
        return f"an object with {' and '.join(map(repr, other_case))}: these keys are written in lower case"
    if names & _SECTIONS:
        return None
    for key, value in (fields or {}).items():
        if {"images", "annotations"} <= _fields_of(value):
            return f"an object that has a dataset under {key[:_SHOWN_NAME]!r}: take it out"
    first = _fields_of(next(iter(fields.values()))) if fields else set()
    if {"regions", "filename"} <= first:
        return "VIA annotations: export the project as COCO from there"
    return f"an object without images, annotations and categories. {_list_of(keys)}"


def explain_syntax(text: bytes, error: Exception) -> str:
    """Where msgspec's `error` is in `text`: line and column (from 1, in characters), an excerpt, and the cause."""
    found = re.search(r"byte (\d+)", str(error))
    trailing = "trailing characters" in str(error)
    # Of what comes after a value msgspec names the second byte.
    at = min(int(found[1]) - trailing, len(text)) if found else len(text)
    begin = text.rfind(b"\n", 0, at) + 1
    line = text.count(b"\n", 0, begin) + 1
    column = len(text[begin:at].decode("utf-8", "replace")) + 1
    end = text.find(b"\n", at)
    around = text[max(begin, at - 24) : at + 24 if end < 0 else min(end, at + 24)].decode("utf-8", "replace")
    excerpt = "".join(char if char.isprintable() else " " for char in around).strip(" \ufffd")
    place = f"line {line}, column {column}" + (f": `{excerpt}`" if excerpt else "")
    before, after = text[max(0, at - 500) : at], text[at : at + 500]
    cause = _cause_of_more(text[:at], after) if trailing else _cause(before, after)
    return f"{place}: {cause}" if cause else place


def _cause_of_more(before: bytes, after: bytes) -> str:
    if after.startswith((b"]", b"}")):
        return "a closing bracket too many; take it out"
    if before.endswith((b"\n", b" ", b"\t")) and b"\n" in before and b"\n" not in before.strip():
        return "a JSON value on each line (NDJSON, JSON Lines) is not one dataset"
    return "there is more than one JSON value in the file; keep one"


def _cause(before: bytes, after: bytes) -> str:
    """What stands there, by what most often does."""
    last, found = before.rstrip(), after.lstrip()
    if not found:
        return "the text ends here, in the middle: it was cut off"
    if found.startswith((b"//", b"/*", b"#")):
        return "a comment, which JSON does not have; take it out"
    if re.match(rb",?\s*[\]}]", found) and (found.startswith(b",") or last.endswith(b",")):
        return "a comma before a closing bracket; take it out"
    if found.startswith(b"'"):
        return "texts are in double quotes in JSON"
    if re.match(rb"None|True|False", found):
        return "None, True and False are Python's; JSON has null, true and false"
    if re.search(rb'[\]}"\d]$', last) and re.match(rb'[\[{"\d]', found):
        return "a comma is missing before it"
    return ""


def _recognise_list(values: Sequence[msgspec.Raw]) -> str:
    if not values:
        return "an empty list: results without any, or nothing at all"
    fields = _fields_of(values[0])
    for needed, words in _LISTS:
        if needed <= fields:
            return f"{words} ({_counted(values, 'record')})"
    return f"a list of {_counted(values, 'value')}, and a dataset is an object with images, annotations and categories"


def _counted(values: Sequence[object], noun: str) -> str:
    return f"{len(values):,} {noun}{'' if len(values) == 1 else 's'}"


def _fields_of(value: msgspec.Raw) -> set[str]:
    try:
        fields: Any = _OBJECT.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return set()
    return set(fields)


def _list_of(keys: Sequence[str]) -> str:
    few = [repr(key if len(key) <= _SHOWN_NAME else key[:_SHOWN_NAME] + "...") for key in keys[:_SHOWN_KEYS]]
    more = f" and {len(keys) - _SHOWN_KEYS:,} more" if len(keys) > _SHOWN_KEYS else ""
    return f"Its keys are {', '.join(few)}{more}"
