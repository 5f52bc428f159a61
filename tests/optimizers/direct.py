"""The updates for one matrix in NumPy float64, directly from the papers.

Each function takes the gradients of a run, a list of (out, in) arrays, and returns the directions.
"""

import numpy as np


def sgd(gradients, momentum):
    velocity, found = 0.0, []
    for g in gradients:
        velocity = momentum * velocity + g
        found.append(velocity)
    return found


def adam(gradients, beta1, beta2, epsilon):
    m = v = 0.0
    found = []
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        found.append((m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon))
    return found


def adagrad(gradients, momentum, epsilon):
    total, velocity, found = 0.0, 0.0, []
    for g in gradients:
        total = total + g * g
        velocity = momentum * velocity + g / np.sqrt(total + epsilon)
        found.append(velocity)
    return found


def power_of(matrix, exponent):
    values, vectors = np.linalg.eigh(matrix)
    return vectors @ np.diag(values**exponent) @ vectors.T


def shampoo(gradients, momentum, decay, exponent, epsilon, grafted, refresh_every):
    rows, columns = gradients[0].shape
    left, right = np.zeros((rows, rows)), np.zeros((columns, columns))
    velocity, found = 0.0, []
    for t, g in enumerate(gradients, start=1):
        gain = 1 if decay == 1 else 1 - decay
        left, right = decay * left + gain * g @ g.T, decay * right + gain * g.T @ g
        if (t - 1) % refresh_every == 0:
            bias = 1 if decay == 1 else 1 - decay**t
            roots = [
                power_of(m / bias + epsilon * np.eye(len(m)), -exponent) for m in (left, right)
            ]
        direction = roots[0] @ g @ roots[1]
        if grafted:
            direction *= np.linalg.norm(g) / np.linalg.norm(direction)
        velocity = momentum * velocity + direction
        found.append(velocity)
    return found


def without_ties(matrix):
    n = len(matrix)
    return matrix + 1.0e-4 * np.trace(matrix) / n * np.diag(np.linspace(1, 0, n))


def soap(gradients, beta1, beta2, decay, epsilon, refresh_every):
    rows, columns = gradients[0].shape
    stats = [np.zeros((rows, rows)), np.zeros((columns, columns))]
    bases = [np.eye(rows), np.eye(columns)]
    m, v = np.zeros((rows, columns)), np.zeros((rows, columns))
    found = []
    for t, g in enumerate(gradients, start=1):
        stats = [
            decay * s + (1 - decay) * gram
            for s, gram in zip(stats, (g @ g.T, g.T @ g), strict=True)
        ]
        if (t - 1) % refresh_every == 0:
            for side in (0, 1):
                clear = without_ties(stats[side])
                if t == 1:
                    bases[side] = np.linalg.eigh(clear)[1][:, ::-1]
                    continue
                estimates = np.diag(bases[side].T @ clear @ bases[side])
                order = np.argsort(-estimates, kind="stable")
                v = np.take(v, order, axis=side)
                bases[side] = np.linalg.qr(clear @ bases[side][:, order])[0]
        rotated = bases[0].T @ g @ bases[1]
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * rotated**2
        mean = bases[0].T @ m @ bases[1] / (1 - beta1**t)
        scaled = mean / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        found.append(bases[0] @ scaled @ bases[1].T)
    return found


def kfac(gradients, factors, momentum, decay, damping, refresh_every):
    """`factors` holds (inputs' second moments, outputs' second moments) at each refresh."""
    sums = [0.0, 0.0]
    velocity, found, refreshes = 0.0, [], 0
    for t, g in enumerate(gradients):
        if t % refresh_every == 0:
            refreshes += 1
            new = factors[t]
            sums = [decay * s + (1 - decay) * f for s, f in zip(sums, new, strict=True)]
            a, s = (total / (1 - decay**refreshes) for total in sums)
            pi = np.sqrt((np.trace(a) / len(a)) / (np.trace(s) / len(s)))
            a_inverse = np.linalg.inv(a + pi * np.sqrt(damping) * np.eye(len(a)))
            s_inverse = np.linalg.inv(s + np.sqrt(damping) / pi * np.eye(len(s)))
        velocity = momentum * velocity + s_inverse @ g @ a_inverse
        found.append(velocity)
    return found


def muon(gradients, momentum, steps):
    buffer, found = 0.0, []
    for g in gradients:
        buffer = momentum * buffer + (1 - momentum) * g
        x = (1 - momentum) * g + momentum * buffer
        x = x / np.linalg.norm(x)
        u, s, vt = np.linalg.svd(x, full_matrices=False)
        for _ in range(steps):  # the odd quintic acts on the singular values alone
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        scale = max(1.0, g.shape[0] / g.shape[1]) ** 0.5
        found.append(scale * u @ np.diag(s) @ vt)
    return found
