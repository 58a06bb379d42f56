"""Which modules are mutated, and which test files judge each: the quickest first, since one failure is enough."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """Paths from the root of the tree."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


ROOMS = {
    "gan": Room(
        ("training/gan.py",),
        ("tests/training/test_step.py", "tests/training/test_gan.py", "tests/training/test_article_recipe.py"),
    ),
    "losses": Room(("training/losses.py",), ("tests/training/test_losses.py",)),
    "governor": Room(("training/governor.py",), ("tests/training/test_governor.py",)),
    "detector": Room(("training/detector.py",), ("tests/training/test_detector.py",)),
    "calibration": Room(("evaluation/calibration.py",), ("tests/evaluation/test_detector_figures.py",)),
    "parity": Room(("export/parity.py",), ("tests/export/test_verification.py", "tests/export/test_export_run.py")),
    "verify": Room(("export/verify.py",), ("tests/export/test_verification.py", "tests/export/test_export_run.py")),
    "repository": Room(("export/repository.py",), ("tests/export/test_export.py",)),
    "model_repository": Room(
        ("serving/repository/model_repository.py",),
        ("tests/serving/repository/test_model_repository.py", "tests/serving/digits/test_pair.py"),
    ),
    "batcher": Room(("serving/engine/batcher.py",), ("tests/serving/engine/test_batcher.py",)),
    "fair_queue": Room(
        ("serving/engine/fair_queue.py",),
        ("tests/serving/engine/test_fair_queue.py", "tests/serving/engine/test_batcher.py"),
    ),
    "http2": Room(
        (
            "serving/transport/http2/call.py",
            "serving/transport/http2/connection.py",
            "serving/transport/http2/messages.py",
            "serving/transport/http2/request_stream.py",
        ),
        (
            "tests/serving/transport/http2/test_messages.py",
            "tests/serving/transport/http2/test_misuse.py",
            "tests/serving/transport/http2/test_flow.py",
            "tests/serving/transport/http2/test_ends.py",
            "tests/serving/transport/http2/test_server.py",
            "tests/serving/transport/http2/test_shutdown.py",
        ),
    ),
    "services": Room(
        ("serving/services/digits.py",),
        (
            "tests/serving/services/test_refuse.py",
            "tests/serving/services/test_score_stream.py",
            "tests/serving/digits/test_data_plane.py",
            "tests/end_to_end/test_refusals.py",
            "tests/end_to_end/test_generate.py",
            "tests/end_to_end/test_score.py",
        ),
    ),
    "supervisor": Room(
        (
            "serving/process/back_off.py",
            "serving/process/child.py",
            "serving/process/companions.py",
            "serving/process/heartbeat.py",
            "serving/process/supervisor.py",
        ),
        (
            "tests/serving/process/test_companions.py",
            "tests/serving/process/test_heartbeat.py",
            "tests/serving/process/test_renewal.py",
            "tests/serving/process/test_shutdown.py",
            "tests/serving/process/test_supervisor.py",
        ),
    ),
    "client": Room(
        (
            "digitforge/client.py",
            "digitforge/connection.py",
            "digitforge/messages.py",
            "digitforge/pipeline.py",
            "digitforge/resumption.py",
        ),
        (
            "tests/end_to_end/test_client.py",
            "tests/end_to_end/test_client_of_a_failing_server.py",
            "tests/end_to_end/test_client_goes_on.py",
        ),
    ),
}
