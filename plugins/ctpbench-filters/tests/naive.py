"""Slow, obvious twins of the kernels: one pixel after another, in float64."""

from itertools import product

import numpy as np

from ctpbench.perfusion import smooth_components


def gaussian(images, mask, sigma_px):
    """Weighted mean over the tissue within 4 sigma along each axis."""
    reach = round(4 * sigma_px)
    out = np.array(images, np.float64)
    for y, x in np.argwhere(mask):
        total, weights = np.zeros(len(images)), 0.0
        for j, i in np.argwhere(mask):
            if abs(j - y) <= reach and abs(i - x) <= reach:
                weight = np.exp(-((j - y) ** 2 + (i - x) ** 2) / (2 * sigma_px**2))
                total += weight * images[:, j, i]
                weights += weight
        out[:, y, x] = total / weights
    return out


def tips(series, mask, sigma_t_hu, sigma_s_px, window_px):
    """Weighted mean over the tissue in the window; weights by distance and by the likeness of whole curves."""
    reach = window_px // 2
    series = np.array(series, np.float64)
    out = series.copy()
    for y, x in np.argwhere(mask):
        total, weights = np.zeros(len(series)), 0.0
        for j, i in np.argwhere(mask):
            if abs(j - y) <= reach and abs(i - x) <= reach:
                mean_square = np.mean((series[:, y, x] - series[:, j, i]) ** 2)
                likeness = np.exp(-mean_square / (2 * sigma_t_hu**2))
                weight = likeness * np.exp(-((j - y) ** 2 + (i - x) ** 2) / (2 * sigma_s_px**2))
                total += weight * series[:, j, i]
                weights += weight
        out[:, y, x] = total / weights
    return out


def circulant(aif, dt_s):
    """A of c = A r, entry by entry."""
    lags = 2 * len(aif)
    padded = np.zeros(lags)
    padded[: len(aif)] = np.maximum(aif, 0)
    return np.array([[dt_s * padded[(i - j) % lags] for j in range(lags)] for i in range(lags)])


def ridge(aif, dt_s, lambda_rel):
    """(lambda_rel smax)^2, twice the lambda of eq. 13."""
    return (lambda_rel * np.linalg.svd(circulant(aif, dt_s))[1].max()) ** 2


def padded_curves(concentration, mask):
    """c of every tissue pixel, with as many zeros behind it: (pixel, lag)."""
    curves = np.array([concentration[:, y, x] for y, x in np.argwhere(mask)], np.float64)
    return np.concatenate([curves, np.zeros_like(curves)], axis=1)


def differences(mask, lags, beta_space, beta_time):
    """All differences of eq. 13 as rows of one matrix over (pixel, lag), and the weight of each."""
    number = {tuple(pixel): n for n, pixel in enumerate(np.argwhere(mask).tolist())}
    rows, weights = [], []

    def add(here, there, weight):
        row = np.zeros((len(number), lags))
        row[here], row[there] = -1, 1
        rows.append(row.ravel())
        weights.append(weight)

    for (y, x), m in product(number, range(lags)):
        for neighbour in ((y, x + 1), (y + 1, x)):
            if neighbour in number:
                add((number[y, x], m), (number[neighbour], m), beta_space)
        if m + 1 < lags:
            add((number[y, x], m), (number[y, x], m + 1), beta_time)
    return np.array(rows), np.array(weights)


def costs(residues, concentration, mask, aif, dt_s, betas, lambda_rel):
    """The smooth part and the total variation of eq. 13, for residues (lag, y, x)."""
    r = np.array([residues[:, y, x] for y, x in np.argwhere(mask)], np.float64)
    misfit = r @ circulant(aif, dt_s).T - padded_curves(concentration, mask)
    smooth = (misfit**2).sum() / 2 + ridge(aif, dt_s, lambda_rel) / 2 * (r**2).sum()
    D, weights = differences(mask, r.shape[1], *betas)
    return smooth, weights @ abs(D @ r.ravel())


def ttv(concentration, mask, aif, dt_s, betas, lambda_rel, iterations=3000):
    """Minimise eq. 13 by ADMM with dense matrices: z = D r, shrunk; r by one linear solution."""
    A = circulant(aif, dt_s)
    lags = len(A)
    curves = padded_curves(concentration, mask)
    H = np.kron(np.eye(len(curves)), A.T @ A + ridge(aif, dt_s, lambda_rel) * np.eye(lags))
    D, weights = differences(mask, lags, *betas)
    penalty = np.linalg.norm(H, 2) / 12
    solve = np.linalg.inv(H + penalty * D.T @ D)
    z, scaled_dual = np.zeros(len(D)), np.zeros(len(D))
    for _ in range(iterations):
        r = solve @ ((curves @ A).ravel() + penalty * D.T @ (z - scaled_dual))
        moved = D @ r + scaled_dual
        z = np.sign(moved) * np.maximum(abs(moved) - weights / penalty, 0)
        scaled_dual = moved - z
    residues = np.zeros((lags, *mask.shape))
    residues[:, mask] = r.reshape(-1, lags).T
    return residues


def gaussian_st(frames, mask, times_s, sigma_px, sigma_t_s):
    """The Gaussian in space, then the weighted mean over all frames of each pixel."""
    out = gaussian(frames, mask, sigma_px)
    smooth = out.copy()
    for y, x in np.argwhere(mask):
        for t, at in enumerate(times_s):
            weights = np.exp(-((times_s - at) ** 2) / (2 * sigma_t_s**2))
            out[t, y, x] = weights @ smooth[:, y, x] / weights.sum()
    return out


def bilateral(series, mask, sigma_r_hu, sigma_s_px, window_px):
    """Mean of each frame over neighbours that are alike in the mean over time, pixel by pixel."""
    reach, means = window_px // 2, np.mean(series, axis=0, dtype=np.float64)
    out = np.array(series, np.float64)
    for y, x in np.argwhere(mask):
        total, weights = np.zeros(len(series)), 0.0
        for j, i in np.argwhere(mask):
            if abs(j - y) <= reach and abs(i - x) <= reach:
                alike = np.exp(-((means[y, x] - means[j, i]) ** 2) / (2 * sigma_r_hu**2))
                weight = alike * np.exp(-((j - y) ** 2 + (i - x) ** 2) / (2 * sigma_s_px**2))
                total += weight * series[:, j, i]
                weights += weight
        out[:, y, x] = total / weights
    return out


def components(series, mask):
    """Means over time, components, their variances and noise's, of the curves inside a mask, by singular values."""
    frames = len(series)
    curves = np.array([series[:, y, x] for y, x in np.argwhere(mask)], np.float64)
    means = curves.mean(axis=1)
    varying = curves - means[:, None]
    _, singular, basis = np.linalg.svd(varying / np.sqrt(len(curves)), full_matrices=True)
    variances = np.zeros(frames)
    variances[: len(singular)] = singular**2
    variances = variances[: frames - 1]
    return means, varying, basis, variances, max(np.median(variances[(frames - 1) // 2 :]), 1e-6)


def lowrank(series, mask, rank=None):
    """The curves' first components and means; by default as few as leave variances like those of noise (MP-PCA)."""
    means, varying, basis, variances, _ = components(series, mask)
    if rank is None:
        left = [variances[p:] for p in range(len(variances))]
        alike = [max(v) - min(v) <= 4 * np.sqrt(len(v) / len(means)) * np.mean(v) for v in left]
        rank = alike.index(True)
    out = np.array(series, np.float64)
    for mean, curve, (y, x) in zip(means, varying, np.argwhere(mask), strict=True):
        out[:, y, x] = mean + curve @ basis[:rank].T @ basis[:rank]
    return out


def component_mean(series, mask, rank, sigma_s_px, window_px, likeness):
    """Weighted mean of first components and means, pixel by pixel; `likeness` of squared differences and noise."""
    reach, frames = window_px // 2, len(series)
    out = np.array(series, np.float64)
    means, varying, _, _, noise = components(series, mask)
    basis = smooth_components(series[:, None], mask[None]).basis.T
    features = np.column_stack([varying @ basis[:rank].T, np.sqrt(frames) * means])
    for n, (y, x) in enumerate(np.argwhere(mask)):
        total, weights = np.zeros(rank + 1), 0.0
        for m, (j, i) in enumerate(np.argwhere(mask)):
            if abs(j - y) <= reach and abs(i - x) <= reach:
                away = ((j - y) ** 2 + (i - x) ** 2) / (2 * sigma_s_px**2)
                weight = likeness(((features[n] - features[m]) ** 2).sum(), noise) * np.exp(-away)
                total += weight * features[m]
                weights += weight
        mean = total / weights
        out[:, y, x] = mean[:rank] @ basis[:rank] + mean[rank] / np.sqrt(frames)
    return out


def lowrank_nl(series, mask, rank, h, sigma_s_px, window_px):
    """Non-local mean of the first temporal components and the temporal mean."""

    def likeness(unlike, noise):
        return np.exp(-max(unlike - 2 * noise * (rank + 1), 0) / (2 * h**2 * noise))

    return component_mean(series, mask, rank, sigma_s_px, window_px, likeness)


def tips_pca(series, mask, rank, sigma_c_hu, sigma_s_px, window_px):
    """TIPS of the first temporal components and the temporal mean."""

    def likeness(unlike, noise):
        return np.exp(-unlike / (2 * (rank + 1) * sigma_c_hu**2))

    return component_mean(series, mask, rank, sigma_s_px, window_px, likeness)
