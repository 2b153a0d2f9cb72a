"""Benchmarks of the whole path, pipelines, batching and transport: the code of `motioncast bench`.

They use client, services and models as the product does, so they are layered above all of these and
below the command line; nothing that is served imports them.
"""
