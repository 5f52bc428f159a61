"""Study `softmax`."""


rule softmax:
    input:
        [],
