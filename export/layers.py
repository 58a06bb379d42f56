"""The layers of a graph that do its arithmetic, and what lies between them."""

import onnx

LAYERS = ("Gemm", "MatMul", "Conv", "ConvTranspose")


def layers_of(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that multiply by weights, in the order of computation."""
    return [node for node in graph.node if node.op_type in LAYERS]


def outside_layers(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that come before the first layer or after the last one: the pixels' way in and out.

    Nodes of an ONNX graph are in topological order.
    """
    layers = {node.name for node in layers_of(graph)}
    after, before = set[str](), set[str]()  # nodes with a layer among what they come from, or lead to
    made_after, needed_before = set[str](), set[str]()
    for node in graph.node:
        if node.name in layers or made_after.intersection(node.input):
            after.add(node.name)
            made_after.update(node.output)
    for node in reversed(graph.node):
        if node.name in layers or needed_before.intersection(node.output):
            before.add(node.name)
            needed_before.update(node.input)
    return [node.name for node in graph.node if node.name not in after & before]
