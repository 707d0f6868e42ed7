"""An async task cannot be called in a sync run."""

from langgraph.func import entrypoint, task


def run(make_saver, record):
    @task
    async def an(n):
        return n

    @task
    def un(n):
        return n

    @entrypoint()
    def flow(n):
        return an(n).result()

    @entrypoint()
    def fine(n):
        return un(n).result()

    record.raises("refused", flow.invoke, 1)
    record("fine", fine.invoke(1))
