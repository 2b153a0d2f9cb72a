"""Benchmarks of the whole path, pipelines, batching and transport: what `motioncast bench` runs.

They drive client, services and models as the product does, so they lie above all of these and below
the command line; nothing that is served imports them.
"""
