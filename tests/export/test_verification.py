"""A model that is not what PyTorch and the contract say is refused, with figures."""

import copy
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from export.batch_invariance import check_batch_invariance
from export.errors import VerificationError
from export.float64 import CastsInFloat64, in_float64
from export.graphs import build_graphs
from export.metadata import metadata_of
from export.on_cpu import open_session
from export.onnx_model import write_onnx
from export.parity import Pixels
from export.signature import Tensors, discriminator_tensors, generator_tensors
from export.verify import check_file, verify
from tests.conftest import untrained_run
from training.checkpoint import Checkpoint
from training.config import PRESETS

RunOf = Callable[..., Checkpoint]
Change = Callable[[onnx.ModelProto], object]
ROWS = 257


class Written:
    """An exported model, and what it is verified against."""

    def __init__(self, folder: Path, run: Checkpoint, role: str) -> None:
        generator, discriminator = build_graphs(run)
        config = run.config
        z = torch.randn(ROWS, config.latent_size, generator=torch.Generator().manual_seed(0))
        self.inputs = {"z": z, "digit": torch.arange(ROWS).unsqueeze(1) % 10} if config.classes else {"z": z}
        self.graph: nn.Module = generator
        self.signature = generator_tensors(config.latent_size, config.classes)
        if role == "discriminator":
            with torch.no_grad():
                self.inputs = {"images": generator(*self.inputs.values())}
            self.graph, self.signature = discriminator, discriminator_tensors(discriminator.classes)
        self.path = folder / "model.onnx"
        self.metadata = metadata_of(run, role)
        self.write(self.graph)

    def write(self, graph: nn.Module) -> None:
        few = {name: tensor[:3] for name, tensor in self.inputs.items()}
        write_onnx(graph, few, list(self.signature.outputs), self.metadata, self.path)

    def verify(self, change: Change = lambda _: None) -> None:
        """Check the file after a change to it."""
        model = onnx.load(self.path)
        change(model)
        onnx.save(model, self.path)
        verify(self.path, self.graph, self.signature, self.inputs)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Written]:
    """Each model is exported once; a test changes a copy."""

    @functools.cache
    def export(preset: str, role: str) -> Written:
        torch.manual_seed(0)
        return Written(tmp_path_factory.mktemp(role), untrained_run(PRESETS[preset]), role)

    return export


@pytest.fixture
def written(exports: Callable[[str, str], Written], tmp_path: Path) -> Callable[[str, str], Written]:
    def copied(preset: str, role: str) -> Written:
        exported = copy.copy(exports(preset, role))
        exported.path = Path(shutil.copy(exported.path, tmp_path))
        return exported

    return copied


def behind(model: onnx.ModelProto, output: str, operator: str, *constants: float) -> None:
    """Change an output by one more node, which takes it and the constants."""
    producer = next(node for node in model.graph.node if output in node.output)
    names = [f"{output}_{operator}_{place}" for place in range(len(constants))]
    for name, constant in zip(names, constants, strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(constant, np.float32), name))
    for node in model.graph.node:  # who else takes it, takes it as it was
        node.input[:] = [f"{output}_before" if name == output else name for name in node.input]
    producer.output[:] = [f"{output}_before" if name == output else name for name in producer.output]
    model.graph.node.append(onnx.helper.make_node(operator, [f"{output}_before", *names], [output]))


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_swapped_weights_are_refused_with_the_figures(written: Callable[..., Written], role: str) -> None:
    """Two rows of the largest weight, each for the other: the shapes are right, and so are all weights' sums."""

    def swap(model: onnx.ModelProto) -> None:
        weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        array = onnx.numpy_helper.to_array(weights).copy()
        array[[0, 1]] = array[[1, 0]]
        weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))

    exported = written("default", role)
    exported.verify()
    with pytest.raises(VerificationError, match=r"differs from PyTorch's .*by .*\d"):
        exported.verify(swap)


def test_a_change_that_no_rounded_pixel_shows_is_refused(written: Callable[..., Written]) -> None:
    """A bias that is off by 2e-4 moves a pixel by a fortieth of a level; the rounding hides it, the parity does not."""

    def move(model: onnx.ModelProto) -> None:
        bias = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [1] and tensor.data_type == 1)
        array = onnx.numpy_helper.to_array(bias) + np.float32(2e-4)
        bias.CopyFrom(onnx.numpy_helper.from_array(array, bias.name))

    with pytest.raises(VerificationError, match="before rounding differs from PyTorch's in float64 by up to"):
        written("default", "generator").verify(move)


def test_pixels_that_are_off_by_more_than_a_level_are_refused_with_their_count(
    written: Callable[..., Written],
) -> None:
    """Two levels added behind the rounding: the image before it is right."""

    def brighten(model: onnx.ModelProto) -> None:
        position, rounding = next((n, node) for n, node in enumerate(model.graph.node) if node.op_type == "Round")
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(2, np.float32), "two"))
        rounded = rounding.output[0]
        rounding.output[0] = "as_it_was"
        model.graph.node.insert(position + 1, onnx.helper.make_node("Add", ["as_it_was", "two"], [rounded]))

    with pytest.raises(VerificationError, match=r"images differs .* batch of 1: 784 of 784 pixels differ, by 2 levels"):
        written("default", "generator").verify(brighten)


@pytest.mark.parametrize(
    ("output", "change"),
    [
        ("logit", ("Mul", 1.001)),
        ("real_probability", ("Mul", 1.001)),  # the logit that it is made of is right
        ("logit", ("Mul", float("nan"))),
        ("real_probability", ("Mul", float("nan"))),
    ],
)
def test_a_number_that_is_off_or_none_is_refused_in_either_output(
    written: Callable[..., Written], output: str, change: tuple[str, float]
) -> None:
    with pytest.raises(VerificationError, match=rf"{output} differs from PyTorch's in float64 by up to (nan|\d)"):
        written("article", "discriminator").verify(lambda model: behind(model, output, *change))


@pytest.mark.parametrize("output", ["logit", "real_probability"])
def test_rows_that_depend_on_their_neighbours_within_the_bounds_of_parity_are_refused(
    written: Callable[..., Written], output: str
) -> None:
    """A ten-millionth of the batch's sum is added to each row: close enough to PyTorch's, and another in each batch."""

    def lean(model: onnx.ModelProto) -> None:
        behind(model, output, "Mul", 1e-7)
        model.graph.node[-1].output[:] = ["share"]
        model.graph.node.extend(
            [
                onnx.helper.make_node("ReduceSum", ["share"], ["lean"], keepdims=0),
                onnx.helper.make_node("Add", [f"{output}_before", "lean"], [output]),
            ]
        )

    with pytest.raises(VerificationError, match=rf"rows of {output} differ between a batch of \d+ and one of 257"):
        written("article", "discriminator").verify(lean)


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_a_wrong_batch_norm_statistic_is_refused_with_the_figures(written: Callable[..., Written], role: str) -> None:
    """Folded into the weights, a statistic can no longer be seen: only the answers tell."""
    exported = written("article", role)
    exported.verify()
    wrong = copy.deepcopy(exported.graph)
    norm = next(module for module in wrong.modules() if isinstance(module, nn.BatchNorm1d))
    assert norm.running_var is not None
    norm.running_var[3] *= 4
    exported.write(wrong)
    with pytest.raises(VerificationError, match=r"differs from PyTorch's .*by .*\d"):
        exported.verify()


def test_batch_norm_that_could_not_be_folded_is_refused(run_of: RunOf, tmp_path: Path) -> None:
    class Unfoldable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)  # follows no layer

        def forward(self, z: Tensor) -> Tensor:
            return self.norm(z).relu()

    path = tmp_path / "model.onnx"
    tensors = Tensors({"z": ("float32", ("batch", 4))}, {"images": ("float32", ("batch", 4))})
    metadata = metadata_of(run_of(PRESETS["article"]), "generator")
    write_onnx(Unfoldable().eval(), {"z": torch.randn(3, 4)}, ["images"], metadata, path)
    with pytest.raises(VerificationError, match="BatchNorm was not folded away"):
        check_file(path, tensors)


class TestOneFile:
    """What is wrong with the file by itself."""

    @pytest.fixture
    def exported(self, written: Callable[..., Written]) -> Written:
        return written("article", "discriminator")

    def test_a_missing_key_is_refused(self, exported: Written) -> None:
        with pytest.raises(VerificationError, match=r"lacks \['digitforge.exported'\]"):
            exported.verify(lambda model: model.metadata_props.pop())

    def test_weights_in_another_file_are_refused(self, exported: Written) -> None:
        model = onnx.load(exported.path)
        onnx.save_model(model, exported.path, save_as_external_data=True, location="weights", size_threshold=0)
        with pytest.raises(VerificationError, match=r"is not one file: it keeps \['.*'\] elsewhere"):
            verify(exported.path, exported.graph, exported.signature, exported.inputs)

    @pytest.mark.parametrize("side", ["input", "output"])
    def test_a_fixed_batch_is_refused(self, exported: Written, side: str) -> None:
        def fix(model: onnx.ModelProto) -> None:
            for value in getattr(model.graph, side):
                value.type.tensor_type.shape.dim[0].dim_value = 3

        with pytest.raises(VerificationError, match=r"expected .*batch.*found"):
            exported.verify(fix)

    def test_a_missing_output_is_refused(self, exported: Written) -> None:
        with pytest.raises(VerificationError, match=r"expected .*'logit'.*found .*outputs=\{'real_probability'"):
            exported.verify(lambda model: model.graph.output.pop(0))

    def test_an_empty_key_is_refused(self, exported: Written) -> None:
        def empty(model: onnx.ModelProto) -> None:
            model.metadata_props[0].value = ""

        with pytest.raises(VerificationError, match=r"lacks \['digitforge\.[a-z_]+'\]"):
            exported.verify(empty)

    def test_an_invalid_graph_is_refused(self, exported: Written) -> None:
        with pytest.raises(VerificationError, match="is not valid ONNX"):
            exported.verify(lambda model: model.graph.node.pop(0))

    def test_a_graph_whose_shapes_contradict_one_another_is_refused(self, exported: Written) -> None:
        def contradict(model: onnx.ModelProto) -> None:
            del model.graph.value_info[:]
            name = model.graph.node[0].output[0]
            model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.STRING, [7, 7, 7]))

        with pytest.raises(VerificationError, match="is not valid ONNX"):
            exported.verify(contradict)

    @pytest.mark.parametrize("opset", [19, 21])
    def test_another_opset_is_refused(self, exported: Written, opset: int) -> None:
        def change(model: onnx.ModelProto) -> None:
            model.opset_import[0].version = opset

        with pytest.raises(VerificationError, match="expected opset 20, found"):
            exported.verify(change)


@pytest.mark.parametrize(
    ("nodes", "size"),
    [
        # What dynamic quantisation does: a scale over all rows of a batch.
        (["largest = ReduceMax <keepdims = 0> (z)", "y = Div (z, largest)"], 1),
        # Another kernel beyond the 64th place: a batch of 11 is the first with a row that is there in the whole.
        (
            [
                "size = Shape <start = 0, end = 1> (z)",
                "zero = Constant <value_int = 0> ()",
                "one = Constant <value_int = 1> ()",
                "some = Constant <value_int = 64> ()",
                "count = Squeeze (size)",
                "places = Range (zero, count, one)",
                "late = Greater (places, some)",
                "by_row = Unsqueeze (late, one)",
                "more = Cast <to = 1> (by_row)",
                "y = Add (z, more)",
            ],
            11,
        ),
    ],
)
def test_rows_that_depend_on_their_neighbours_or_their_place_are_refused(
    nodes: list[str], size: int, tmp_path: Path
) -> None:
    text = f"rows (float[batch, 4] z) => (float[batch, 4] y) {{ {' '.join(nodes)} }}"
    model = onnx.helper.make_model(
        onnx.parser.parse_graph(text), opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10
    )
    onnx.save(model, tmp_path / "model.onnx")
    rows = {"z": np.random.default_rng(0).standard_normal((ROWS, 4), np.float32)}
    with pytest.raises(VerificationError, match=rf"rows of y differ between a batch of {size} and one of 257"):
        check_batch_invariance(tmp_path / "model.onnx", open_session(tmp_path / "model.onnx"), ["y"], rows)


def test_pixels_are_compared_in_levels_in_both_directions() -> None:
    found, true = np.array([[0, 5], [255, 9]], np.uint8), np.array([[1, 5], [250, 9]], np.uint8)
    assert Pixels.between(found, true) == Pixels(most=5, mean=1.5, differing=2, count=4)


def test_a_graph_in_float64_computes_in_float64_from_the_pixels_on(run_of: RunOf) -> None:
    _, discriminator = build_graphs(run_of(PRESETS["default"]))
    images = torch.randint(0, 256, (9, 28, 28), dtype=torch.uint8)
    with torch.no_grad(), CastsInFloat64():
        wide, *_ = in_float64(discriminator)(images)
    narrow, *_ = discriminator(images)
    assert wide.dtype == torch.float64
    assert 0 < (wide - narrow).abs().max() < 1e-5
    assert discriminator(images)[0].dtype == torch.float32
