"""What is counted: gRPC's own names for calls, Triton's for models, and a few of ours.

Calls as gRFC A66 has them (https://github.com/grpc/proposal/blob/master/A66-otel-stats.md), by the names that
OpenTelemetry gives them in Prometheus; models as Triton's user guide has them, in its microseconds.
"""

from serving.telemetry.store import Family

SECONDS = (
    0.0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013,
    0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 2.0,
    5.0, 10.0, 20.0, 50.0, 100.0,
)  # fmt: skip
BYTES = (0.0, *(float(1 << power) for power in (10, 11, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32)))
ROWS = tuple(float(1 << power) for power in range(13))
DELAYS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METHOD, CALL, MODEL = ("grpc_method",), ("grpc_method", "grpc_status"), ("model", "version")
CALLS = 128  # methods times statuses

STARTED = Family("grpc_server_call_started_total", "counter", "Calls that a handler began.", METHOD)
DURATION = Family(
    "grpc_server_call_duration_seconds", "histogram", "From a handler's beginning to its end.", CALL, SECONDS, CALLS
)
SENT = Family(
    "grpc_server_call_sent_total_compressed_message_size_bytes",
    "histogram",
    "Of a call's answers, as the handler gives them.",
    CALL,
    BYTES,
    CALLS,
)
RECEIVED = Family(
    "grpc_server_call_rcvd_total_compressed_message_size_bytes",
    "histogram",
    "Of a call's requests, as the handler takes them.",
    CALL,
    BYTES,
    CALLS,
)

SUCCESS = Family("nv_inference_request_success", "counter", "Requests that a model answered.", MODEL)
FAILURE = Family(
    "nv_inference_request_failure",
    "counter",
    "Requests that it did not answer: REJECTED, CANCELED, BACKEND (the model failed) or OTHER.",
    (*MODEL, "reason"),
)
COUNT = Family("nv_inference_count", "counter", "Rows that a model ran.", MODEL)
EXEC_COUNT = Family("nv_inference_exec_count", "counter", "Batches that a model ran.", MODEL)
QUEUE_US = Family("nv_inference_queue_duration_us", "counter", "That answered requests waited, added up.", MODEL)
INFER_US = Family(
    "nv_inference_compute_infer_duration_us",
    "counter",
    "That batches ran, added up over the answered requests in them.",
    MODEL,
)
REQUEST_US = Family(
    "nv_inference_request_duration_us", "counter", "From answered requests' coming to their answers, added up.", MODEL
)
PENDING = Family("nv_inference_pending_request_count", "gauge", "Requests that wait or run.", MODEL)

BATCH_SIZE = Family("digitforge_batch_size", "histogram", "Rows of a batch.", MODEL, ROWS)
REFUSALS = Family("digitforge_refusals_total", "counter", "Calls that the server would not take, by why.", ("reason",))
RESTARTS = Family("digitforge_worker_restarts_total", "counter", "Workers that had ended and were replaced.")
LOOP_DELAY = Family(
    "digitforge_loop_delay_seconds",
    "histogram",
    "How much later than due the event loop of a worker came to a timer.",
    (),
    DELAYS,
)
CONNECTIONS = Family("digitforge_open_connections", "gauge", "Connections of clients.")
SERVING = Family("digitforge_serving_workers", "gauge", "Workers that serve and are not shutting down.")
MEMORY = Family("digitforge_resident_memory_bytes", "gauge", "That a worker has resident.", ("worker",), (), 2048)
UNLOGGED = Family("digitforge_access_lines_dropped_total", "counter", "Access lines that came too fast to be written.")

FAMILIES = (
    STARTED, DURATION, SENT, RECEIVED,
    SUCCESS, FAILURE, COUNT, EXEC_COUNT, QUEUE_US, INFER_US, REQUEST_US, PENDING,
    BATCH_SIZE, REFUSALS, RESTARTS, LOOP_DELAY, CONNECTIONS, SERVING, MEMORY, UNLOGGED,
)  # fmt: skip
