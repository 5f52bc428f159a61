"""Scorecard and report."""


rule scorecard:
    input:
        [],


rule report:
    input:
        [],
