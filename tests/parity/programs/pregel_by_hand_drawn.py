"""The picture of a program made by hand shows who makes whom run."""

from langgraph.channels import LastValue
from langgraph.pregel import NodeBuilder, Pregel

SAVERS = ("memory",)


def run(make_saver, record):
    def node(trigger, *writes):
        return NodeBuilder().subscribe_only(trigger).do(len).write_to(*writes)

    def drawn(name, **nodes):
        program = Pregel(
            nodes=nodes,
            channels={key: LastValue(str) for key in "abcde"},
            input_channels="a",
            output_channels="b",
        )
        graph = program.get_graph()
        record(f"{name}: nodes", list(graph.nodes))
        record(f"{name}: edges", [(e.source, e.target, e.data, e.conditional) for e in graph.edges])
        record(f"{name}: text", graph.draw_mermaid())

    drawn("chain", two=node("b", "c"), one=node("a", "b"))
    drawn("single", only=node("a", "b"))
    drawn("loop", loop=node("a", "a", "b"))
    both = NodeBuilder().subscribe_to("c", "d").do(len).write_to("e")
    drawn("fan", z=node("a", "c"), b=node("a", "d"), k=both, m=node("c", "b"))
    drawn("out of reach", one=node("a", "b"), far=node("d", "e"))
