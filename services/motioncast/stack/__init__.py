"""All four services in one process, over real gRPC: for demos, tests, benches and small machines.

async with Stack() as stack:
    async with connect(stack.target) as service:
        ...
"""

from motioncast.stack.stack import Pipeline, Ports, Stack, StackSettings

__all__ = ["Pipeline", "Ports", "Stack", "StackSettings"]
