"""/metrics, read as Prometheus reads it: what is counted, by which labels, and whose it is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from api_client import Serve, Server
from prometheus_client.parser import text_string_to_metric_families

from cocoannot import __version__, create_app
from cocoannot.extension import runtime

BOX = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
TOKEN = "a-token-of-enough-characters"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(api: Server) -> Samples:
    return parse(api.get("/metrics").text)


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def requests(samples: Samples) -> dict[tuple[str, str, str], float]:
    """How many requests there were, by method, route and status."""
    found = {}
    for (name, labels), count in samples.items():
        if name == "cocoannot_http_requests_total":
            by = dict(labels)
            found[by["method"], by["route"], by["status"]] = count
    return found


# Requests


def test_requests_are_counted_by_method_rule_and_status(api: Server) -> None:
    before = requests(scrape(api))
    for number in (1, 2, 7, 99):
        api.get(f"/api/annotations/{number}")
    api.post("/api/annotations", BOX)
    api.post("/api/annotations", {})
    after = requests(scrape(api))
    grown = {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key)}
    assert grown == {
        ("GET", "/api/annotations/<id:annotation_id>", "200"): 3,
        ("GET", "/api/annotations/<id:annotation_id>", "404"): 1,
        ("POST", "/api/annotations", "201"): 1,
        ("POST", "/api/annotations", "422"): 1,
        ("GET", "/metrics", "200"): 1,
    }


def test_durations_are_counted_by_method_and_rule(api: Server) -> None:
    for _ in range(3):
        api.get("/api/images")
    samples = scrape(api)
    labels = {"method": "GET", "route": "/api/images"}
    assert value(samples, "cocoannot_http_request_duration_seconds_count", **labels) == 3
    assert value(samples, "cocoannot_http_request_duration_seconds_bucket", le="+Inf", **labels) == 3
    assert 0 < (value(samples, "cocoannot_http_request_duration_seconds_sum", **labels) or 0) < 60


def test_clients_can_t_make_up_labels(api: Server) -> None:
    before = len(scrape(api))
    for number in range(50):
        api.ask(f"METHOD{number}", "/api/images")
        api.get(f"/no-such-page-{number}")
        api.get(f"/api/images/{number + 1000}")
        api.get(f"/api/images?file_name={number}", headers={"Host": "localhost", "User-Agent": str(number)})
    after = requests(scrape(api))
    assert {method for method, _, _ in after} <= {"GET", "other"}
    assert after["other", "unmatched", "405"] == 50
    assert after["GET", "unmatched", "404"] == 50
    assert len(scrape(api)) < before + 100


def test_refused_request_is_counted_under_its_rule(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_TOKEN=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    api.get("/api/images")
    api.post("/api/annotations", BOX, headers={**bearer, "Origin": "https://evil.example"})
    api.get("/api/images", headers={**bearer, "Host": "evil.example"})
    counted = requests(parse(api.get("/metrics", headers=bearer).text))
    assert counted["GET", "/api/images", "401"] == 1
    assert counted["GET", "/api/images", "403"] == 1
    assert counted["POST", "/api/annotations", "403"] == 1


def test_bug_of_ours_is_counted_as_a_500(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small)

    @api.app.route("/broken")
    def broken() -> str:
        raise RuntimeError

    assert api.get("/broken").status_code == 500
    assert requests(scrape(api))["GET", "/broken", "500"] == 1


def test_streamed_answer_is_in_progress_until_it_is_closed(api: Server) -> None:
    client = api.app.test_client()
    answer = client.get("/api/dataset/export")
    during = scrape(api)
    assert value(during, "cocoannot_http_requests_in_progress") == 2
    assert ("GET", "/api/dataset/export", "200") not in requests(during)
    answer.close()
    after = scrape(api)
    assert value(after, "cocoannot_http_requests_in_progress") == 1
    assert requests(after)["GET", "/api/dataset/export", "200"] == 1


def test_requests_of_many_threads_are_all_counted(api: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.get("/api/annotations/1"), range(200)))
    samples = scrape(api)
    assert requests(samples)["GET", "/api/annotations/<id:annotation_id>", "200"] == 200
    assert value(samples, "cocoannot_http_requests_in_progress") == 1


# The page


def test_page_is_prometheus_text(api: Server) -> None:
    answer = api.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(answer.text))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation for family in families)
    assert not [name for name, _ in parse(answer.text) if name.endswith("_created")]


def test_build_and_process_are_told(api: Server) -> None:
    samples = scrape(api)
    (build,) = [dict(labels) for name, labels in samples if name == "cocoannot_build_info"]
    assert build["version"] == __version__
    assert (value(samples, "process_resident_memory_bytes") or 0) > 1e6


def test_page_needs_the_token_where_one_is_set(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small, COCOANNOT_TOKEN=TOKEN)
    assert api.get("/metrics").status_code == 401
    assert api.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_page_does_not_load_the_dataset(serve: Serve, small: dict[str, Any]) -> None:
    api = serve(small)
    assert not [name for name, _ in scrape(api) if name == "cocoannot_records"]
    assert not runtime(api.app).manager.is_loaded
    api.get("/readyz")
    assert value(scrape(api), "cocoannot_records", records="images") == 3


def test_each_application_counts_for_itself(api: Server, small: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps({**small, "annotations": []}))
    other = create_app({"COCOANNOT_DATASET": path})
    try:
        client = other.test_client()
        client.get("/api/images", buffered=True)
        samples = parse(client.get("/metrics", buffered=True).text)
        assert value(samples, "cocoannot_records", records="annotations") == 0
        assert requests(samples) == {("GET", "/api/images", "200"): 1}
        assert ("GET", "/api/images", "200") not in requests(scrape(api))
    finally:
        runtime(other).lifecycle.stop()


# Readiness


def test_server_that_has_stopped_is_not_ready(api: Server) -> None:
    api.stop()
    answer = api.get("/readyz")
    assert answer.status_code == 503
    assert "ending" in answer.json["message"]
    assert api.get("/healthz").status_code == 200
