"""What requests and answers look like, by schema, for the OpenAPI document. They go together: one small dataset."""

from __future__ import annotations

from typing import Any

_POLYGON = [[10, 10, 20, 10, 20, 20, 10, 20]]
_IMAGE = {"id": 1, "file_name": "one.jpg", "width": 640, "height": 480}
_ANNOTATION = {
    "id": 1,
    "image_id": 1,
    "category_id": 1,
    "segmentation": _POLYGON,
    "area": 100.0,
    "bbox": [10, 10, 10, 10],
    "iscrowd": 0,
}
_CATEGORY = {"id": 1, "name": "cat", "supercategory": "animal"}
_COUNTS = {"images": 1, "annotations": 1, "categories": 1}
_PENDING = {
    f"{section}_{action}": 0
    for section in ("annotations", "categories", "images")
    for action in ("added", "updated", "deleted")
}
_LOADED, _SAVED, _CHANGED = "2026-01-05T09:00:00Z", "2026-01-05T09:30:00Z", "2026-01-05T09:30:12Z"

_S3: dict[str, Any] = {
    "uri": "s3://data/annotations.json",
    "state": "ahead",
    "etag": '"9b2cf535f27731c974343645a3985328"',
    "last_uploaded_at": "2026-11-22T10:12:00+00:00",
    "uploading": None,
    "last_error": None,
    "atomic": True,
}

_MERGE_COUNTS = {
    **{f"{action}_by_{side}": 0 for side in ("us", "them") for action in ("added", "changed", "deleted")},
    **dict.fromkeys(("merged", "same", "renumbered", "unified"), 0),
}

REQUESTS: dict[str, dict[str, Any]] = {
    "NewAnnotation": {
        "polygon": {"image_id": 1, "category_id": 1, "segmentation": _POLYGON},
        "RLE": {
            "image_id": 1,
            "category_id": 1,
            "segmentation": {"size": [480, 640], "counts": [4810, 10, 302380]},
            "iscrowd": 1,
        },
        "box": {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9},
        "keypoints": {"image_id": 1, "category_id": 1, "keypoints": [15, 12, 2, 0, 0, 0]},
        "caption": {"image_id": 1, "caption": "A cat looks out of a window."},
    },
    "AnnotationChanges": {
        "other shape": {"segmentation": [[10, 10, 30, 10, 30, 20]]},
        "other category": {"category_id": 1},
        "without a field": {"score": None},
    },
    "Batch": {
        "one of each": {
            "operations": [
                {"op": "add", "annotation": {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}},
                {"op": "update", "id": 1, "changes": {"category_id": 1}},
                {"op": "delete", "id": 1},
                {"op": "restore", "annotation": _ANNOTATION, "position": 0},
            ]
        }
    },
    "NewImage": {"image": {"file_name": "two.jpg", "width": 320, "height": 240, "license": 1}},
    "ImageChanges": {"other field": {"license": 2}, "without a field": {"license": None}},
    "NewCategory": {"category": {"name": "dog", "supercategory": "animal"}},
    "CategoryChanges": {"other name": {"name": "kitten"}},
    "Login": {
        "password": {"user": "anna", "password": "correct horse battery"},
        "token": {"token": "a personal token, or the server's COCOANNOT_TOKEN"},
    },
    "NewPassword": {"link": {"link": "anna:7:1796005124:5f0c...", "password": "correct horse battery"}},
    "NewUser": {
        "with a link": {"name": "anna", "role": "annotator", "link": True},
        "with a password": {"name": "ben", "role": "reviewer", "password": "correct horse battery"},
    },
    "UserChanges": {"other role": {"role": "reviewer"}, "disable": {"active": False}, "new link": {"link": True}},
    "NewToken": {"for a script": {"name": "nightly export", "role": "viewer", "days": 90}},
    "PresenceBody": {"on an image": {"image_id": 1, "editing": True}, "nowhere": {"image_id": None}},
    "StatusBody": {"done": {"status": "done"}, "returned": {"status": "returned", "comment": "one cat is missing"}},
    "OnConflict": {"save": {}, "save over what another program wrote": {"on_conflict": "overwrite"}},
    "Acceptance": {
        "these": {"ids": [17, 18]},
        "of an image": {"image_id": 1, "min_score": 0.5},
        "of the whole layer": {"min_score": 0.5, "max_iou": 0.5},
    },
    "Rejection": {
        "these": {"ids": [17]},
        "not after all": {"ids": [17], "rejected": False},
    },
    "OutlineBody": {
        "in a box": {"box": [120, 80, 240, 160]},
        "at points": {"inside": [[240, 160]], "outside": [[130, 90]]},
    },
    "PredictionList": {
        "results list": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9}],
    },
    "Reversal": {
        "look first": {"user": "anna", "since": 41, "dry_run": True},
        "do it": {"user": "anna", "since": 41},
    },
    "Return": {
        "look first": {"revision": 41, "dry_run": True},
        "do it": {"revision": 41},
    },
    "Merge": {
        "merge": {},
        "see what would be done": {"dry_run": True},
        "take theirs in conflicts": {"on_conflict": "theirs"},
    },
    "ImportedDataset": {
        "dataset": {"images": [_IMAGE], "annotations": [_ANNOTATION], "categories": [_CATEGORY]},
    },
    "Replacement": {"records": {"images": [_IMAGE], "annotations": [_ANNOTATION], "categories": [_CATEGORY]}},
}
"""Bodies of requests: by the schema's name, a title for each."""

_LAYER = {
    "name": "yolo",
    "version": "6f1c0a4be2d97735c8a01e42",
    "created": _LOADED,
    "bytes": 85812911,
    "kinds": ["bbox"],
    "images": 4952,
    "predictions": 36781,
    "min_score": 0.05,
    "max_score": 0.998,
    "open": 36700,
    "accepted": 74,
    "rejected": 7,
    "missing": 0,
}
_USER = {"name": "anna", "role": "annotator", "active": True, "has_password": False, "created": _LOADED}
_TOKEN = {
    "id": "1f3a5c7e9b0d",
    "name": "nightly export",
    "role": "viewer",
    "created": _LOADED,
    "expires": None,
    "used": _SAVED,
}

ANSWERS: dict[str, Any] = {
    "Me": {"user": "anna", "role": "annotator", "by": "password"},
    "User": _USER,
    "ChangedUser": {**_USER, "link": "/#password=anna:7:1796005124:5f0c..."},
    "Token": _TOKEN,
    "CreatedToken": {**_TOKEN, "token": "coa_..."},
    "Annotation": _ANNOTATION,
    "ListedAnnotation": {**_ANNOTATION, "_etag": "1e7ccb1b5e0a"},
    "BatchResults": {
        "results": [{"annotation": _ANNOTATION, "etag": "1e7ccb1b5e0a"}, {"annotation": None, "etag": None}]
    },
    "Image": _IMAGE,
    "ListedImage": {**_IMAGE, "_annotation_count": 1},
    "Neighbours": {"previous": 3, "next": 7, "position": 11, "total": 97},
    "DeletedImage": {"annotations_deleted": 7},
    "Scanned": {
        "added": 12,
        "skipped": [
            {"file_name": "notes.txt", "reason": "'notes.txt' is not a picture (JPEG, PNG, WebP, GIF, BMP or TIFF)"}
        ],
        "skipped_count": 1,
        "turned": ["IMG_0007.jpg"],
    },
    "StoredPicture": {"file_name": "one.jpg", "bytes": 48113, "width": 640, "height": 480, "turned": False},
    "Present": {"client": "tab-1", "user": "anna", "image_id": 1, "editing": True, "since": _CHANGED},
    "Category": _CATEGORY,
    "ListedCategory": {**_CATEGORY, "_annotation_count": 1},
    "Assistance": {"box": True, "points": False},
    "Outline": {"segmentation": {"size": [6, 6], "counts": "7240a0"}, "bbox": [1, 1, 2, 2], "score": 0.93},
    "Layer": _LAYER,
    "ImagePrediction": {
        "image_id": 1,
        "category_id": 1,
        "bbox": [1, 2, 3, 4],
        "score": 0.9,
        "id": 17,
        "_layer": "yolo",
        "_version": _LAYER["version"],
        "_status": "open",
        "_iou": 0.31,
        "_covered": False,
        "_covered_by": None,
    },
    "AcceptedPredictions": {
        "accepted": 1,
        "left_out": 2,
        "annotations": [{"prediction_id": 17, "id": 8, "etag": "1e7ccb1b5e0a"}],
    },
    "RejectedPredictions": {"rejected": 1, "left_out": 0},
    "DatasetHead": {"info": {}, "licenses": [], "categories": [_CATEGORY], "counts": _COUNTS, "revision": 42},
    "Statistics": {
        "counts": _COUNTS,
        "categories": [{"id": 1, "name": "cat", "annotations": 2}],
        "annotations_per_image": [{"at_least": 0, "at_most": 0, "images": 1}],
        "sizes": [{"at_least": 0, "below": 8, "annotations": 2}],
        "statuses": [{"status": "open", "images": 1}],
    },
    "Change": {
        "revision": 42,
        "time": _CHANGED,
        "user": "anna",
        "kind": "edit",
        "summary": "1 annotation(s) updated",
        "edits": [{"section": "annotations", "id": 1, "image_id": 1, "op": "update"}],
    },
    "Reverted": {
        "revision": 43,
        "dry_run": False,
        "summary": "1 annotation(s) updated",
        "edits": [{"section": "annotations", "id": 1, "image_id": 1, "op": "update"}],
    },
    "Version": {"revision": 42, "time": _CHANGED, "user": "anna", "record": _ANNOTATION},
    "UserDay": {"day": "2026-01-05", "user": "anna", "changes": 120, "annotations": 118, "images": 17},
    "Flushed": {"saved": True, "summary": "3 annotation(s) added", "revision": 42},
    "S3Status": _S3,
    "SavedToS3": {
        "status": "success",
        "s3_uri": _S3["uri"],
        "etag": _S3["etag"],
        "size": 4711,
        "revision": 42,
        "kept": None,
    },
    "Imported": {
        "revision": 43,
        "changed": True,
        "match": "file_name",
        "dry_run": False,
        "counts": {
            "images": {"added": 0, "matched": 1, "refused": 0},
            "annotations": {"added": 1, "matched": 0, "refused": 1},
            "categories": {"added": 0, "matched": 1, "refused": 0},
        },
        "licenses_added": 0,
        "ids": {"images": {"1": 1}, "annotations": {"1": 8}, "categories": {"3": 1}},
        "refused_count": 1,
        "refused_reasons": {"annotations: their image is not in the file": 1},
        "refused": [{"section": "annotations", "id": 2, "index": 1, "reason": "its image 9 is not in the file"}],
        "note_count": 0,
        "notes": [],
    },
    "MergedFromS3": {
        "status": "success",
        "s3_uri": _S3["uri"],
        "etag": _S3["etag"],
        "revision": 43,
        "needed": True,
        "dry_run": False,
        "base": "kept",
        "counts": dict.fromkeys(("images", "annotations", "categories"), _MERGE_COUNTS),
        "conflict_count": 1,
        "undecided_count": 0,
        "conflicts": [{"section": "annotations", "id": 7, "kind": "deleted_by_us", "fields": [], "taken": "theirs"}],
        "renumbered": {"images": [], "annotations": [{"from": 151, "to": 160}], "categories": []},
    },
    "Status": {
        "version": "0.1.0",
        "dataset": {
            "uri": "annotations.json",
            "path": "/data/annotations.json",
            "loaded_at": _LOADED,
            "bytes": 4711,
            "counts": _COUNTS,
            "warnings": [],
            "backups": [{"path": "/data/annotations.json.cocoannot/backups/2026-11-22.json", "bytes": 4690}],
        },
        "revision": {"memory": 42, "journal": 42, "file": 39, "s3": None},
        "pending": {**_PENDING, "annotations_added": 3, "summary": "3 annotation(s) added", "since": _CHANGED},
        "saver": {
            "interval": 30.0,
            "next_save_in": 18.0,
            "last_saved_at": _SAVED,
            "last_save_seconds": 0.02,
            "last_error": None,
        },
        "s3": None,
    },
}
"""Bodies of answers, by the schema's name."""
