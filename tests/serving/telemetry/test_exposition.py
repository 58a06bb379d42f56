"""The text that Prometheus reads, held to its own parser."""

from prometheus_client.parser import text_string_to_metric_families

from serving.telemetry.exposition import Exposition
from serving.telemetry.families import (
    CONNECTIONS,
    DURATION,
    FAILURE,
    FAMILIES,
    STARTED,
)
from serving.telemetry.store import Store


def test_counters_have_the_names_of_their_makers_and_are_counters() -> None:
    store = Store(FAMILIES, 1)
    slot = store.slot(0)
    slot.value(STARTED, "digits.v1.Digits/Generate").add(3)
    slot.value(FAILURE, "generator", "1", "BACKEND").add()
    lines = Exposition(store).text().decode().splitlines()
    assert "# TYPE grpc_server_call_started_total counter" in lines
    assert 'grpc_server_call_started_total{grpc_method="digits.v1.Digits/Generate"} 3.0' in lines
    assert "# TYPE nv_inference_request_failure counter" in lines
    assert 'nv_inference_request_failure{model="generator",reason="BACKEND",version="1"} 1.0' in lines
    assert not any("untyped" in line for line in lines)


def test_histogram_counts_up_to_each_bound_and_gauges_are_gauges() -> None:
    store = Store(FAMILIES, 1)
    slot = store.slot(0)
    duration = slot.histogram(DURATION, "digits.v1.Digits/Score", "OK")
    for seconds in (0.0001, 0.0002, 3.0, 1000.0):
        duration.observe(seconds)
    slot.value(CONNECTIONS).set(5)
    families = {family.name: family for family in text_string_to_metric_families(Exposition(store).text().decode())}
    assert families["digitforge_open_connections"].type == "gauge"
    (connections,) = families["digitforge_open_connections"].samples
    assert connections.value == 5
    assert families[DURATION.name].type == "histogram"
    counts = {sample.labels.get("le", sample.name): sample.value for sample in families[DURATION.name].samples}
    assert counts["0.0001"] == 1
    assert counts["0.0003"] == 2
    assert counts["2.0"] == 2
    assert counts["5.0"] == 3
    assert counts["100.0"] == 3
    assert counts["+Inf"] == counts[f"{DURATION.name}_count"] == 4
    assert counts[f"{DURATION.name}_sum"] == 1003.0003


def test_label_values_that_need_it_are_escaped() -> None:
    store = Store(FAMILIES, 1)
    odd = 'a"b\\c\nd'
    store.slot(0).value(STARTED, odd).add()
    families = {family.name: family for family in text_string_to_metric_families(Exposition(store).text().decode())}
    (sample,) = families["grpc_server_call_started"].samples
    assert sample.labels == {"grpc_method": odd}


def test_no_two_families_have_one_name() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
