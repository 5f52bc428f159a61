"""Study `stochasticity`."""


rule stochasticity:
    input:
        [],
