"""Measures laden beside the tools that people use today, on data made here, against an endpoint of our own.

`python -m bench` runs everything in this order: workloads are made once, the endpoint is started, peers and
laden take turns, floors are measured, and the numbers become a table, `bench/results/latest.json` and
`docs/bench.svg`. Nothing here is part of the installed package.
"""
