"""What is wrong with a file's categories. Which of two with one name is used is known only after the annotations."""

from __future__ import annotations

import numpy as np

from cocoannot.check.checked import Checked
from cocoannot.check.findings import Findings
from cocoannot.check.record_repairs import is_text, repair_category
from cocoannot.coco.rules import Fields


def look_at_categories(checked: Checked, findings: Findings) -> None:
    """Look at each category by itself, and at their ids."""
    categories = checked.categories
    records = {i: record for i in range(len(categories)) if (record := categories.read(i)) is not None}
    categories.assign_ids(findings)
    for i, record in records.items():
        if i not in categories.dropped:
            _look_at_category(checked, i, record)
    keypoints = checked.known.keypoints
    for i, record_id in categories.identity.repeated.items():
        # Which of them is meant is not certain.
        if keypoints.get(int(categories.identity.ids[i])) != keypoints.get(record_id):
            keypoints.pop(record_id, None)


def _look_at_category(checked: Checked, i: int, record: Fields) -> None:
    categories = checked.categories
    record_id = int(categories.identity.ids[i])
    try:
        repair = repair_category(record, record_id, finite=i not in categories.infinite)
    except RecursionError:
        categories.drop(i, "too_deep")
        return
    categories.note(i, repair)
    categories.changes[i] |= repair.changes
    points = record.get("keypoints")
    if isinstance(points, list) and points:
        checked.known.keypoints.setdefault(record_id, len(points))


def look_at_names(checked: Checked, findings: Findings) -> None:
    """Find names that more than one category has; those that are used keep theirs, and of these the first one."""
    categories = checked.categories
    kept = [i for i in range(len(categories)) if i not in categories.dropped]
    names = {i: _name_of(checked, i) for i in kept}
    ids, counts = np.unique(categories.identity.ids[kept], return_counts=True)
    shared = set(ids[counts > 1].tolist())
    used = set(np.unique(checked.category_ids).tolist())
    order = sorted(kept, key=lambda i: (int(categories.identity.ids[i]) not in used, i))
    taken = set(names.values()) | {record["name"] for record in categories.added}
    seen: set[str] = set()
    for i in order:
        name = names[i]
        record_id = int(categories.identity.ids[i])
        if name in seen and record_id in shared:
            # It is not certain which one annotations mean.
            categories.problems["repeated_name"].append(i)
            categories.left["repeated_name"] += 1
        elif name in seen:
            if "name" not in categories.changes[i]:
                categories.problems["repeated_name"].append(i)
            name = unused_name(f"{name} ({record_id})", taken | seen)
            categories.changes[i]["name"] = name
        seen.add(name)
    repeated = categories.problems["repeated_name"]
    repeated.sort()
    if repeated and used.isdisjoint(categories.identity.ids[repeated].tolist()):
        # Such as the root of all others.
        findings.add("repeated_name", "categories", count=0).is_convention = True


def _name_of(checked: Checked, i: int) -> str:
    record = checked.categories.read(i) or {}
    name = {**record, **checked.categories.changes[i]}.get("name")
    return str(name) if is_text(name) else ""


def unused_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name
