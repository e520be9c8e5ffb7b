"""Slow, obvious twins: the paper's equations pixel by pixel, in float64. Frames are counted from 0."""

import numpy as np


def other(early):
    """The early frame that is not x(t0): 3 - t0 where frames are counted from 1."""
    return {0: 1, 1: 0}[early]


def kappa(series, mask, t, ratio):
    """Eq. 6, or the ratio of sums; a sum over the pixels of the mask."""
    above = below = 0.0
    for y, x in np.argwhere(mask):
        mean = (float(series[t - 1, y, x]) + float(series[t + 1, y, x])) / 2
        above += float(series[t, y, x]) * (1 if ratio else mean)
        below += mean * (1 if ratio else mean)
    return above / below


def target(series, mask, t, early, ratio=False):
    """Eq. 5 minus the other early frame, as in eq. 7; zero outside the mask."""
    out = np.zeros(mask.shape)
    correction = kappa(series, mask, t, ratio)
    for y, x in np.argwhere(mask):
        mean = (float(series[t - 1, y, x]) + float(series[t + 1, y, x])) / 2
        out[y, x] = correction * mean - float(series[other(early), y, x])
    return out


def channels_of(t, early, n_frames, neighbours):
    """t, the early frame, then t - k .. t + k without t - 1, t and t + 1, k neighbours; t where one may not be."""
    frames = [t, early]
    for frame in range(t - neighbours, t + neighbours + 1):
        if frame not in (t - 1, t, t + 1):
            allowed = 0 <= frame < n_frames and frame != other(early)
            frames.append(frame if allowed else t)
    return frames


def noiseless(clean_frames, t):
    """Eq. 15."""
    return clean_frames[t] - (clean_frames[0].astype(np.float64) + clean_frames[1]) / 2


def peak(series, mask):
    """Eq. 11."""
    return max(range(len(series)), key=lambda t: sum(float(series[t, y, x]) for y, x in np.argwhere(mask)))


def concentration(network, series, neighbours):
    """Eq. 8: the mean of the network's answers with either early frame, one image at a time."""
    out = np.zeros(series.shape)
    for t in range(len(series)):
        answers = [network(series[channels_of(t, early, len(series), neighbours)]) for early in (0, 1)]
        out[t] = (answers[0] + answers[1]) / 2
    return out


def mean_square(difference, mask):
    """Mean square over the pixels of the mask, of all images together."""
    squares = [float(difference[place]) ** 2 for place in map(tuple, np.argwhere(np.asarray(mask)))]
    return sum(squares) / len(squares)


def low_pass(image, sigma_px):
    """Gaussian of the image in both directions; of the weights, those that lie inside count."""
    rows, columns = image.shape
    out = np.zeros(image.shape)
    for y, x in np.ndindex(rows, columns):
        down = np.exp(-((np.arange(rows) - y) ** 2) / (2 * sigma_px**2))
        across = np.exp(-((np.arange(columns) - x) ** 2) / (2 * sigma_px**2))
        weights = np.outer(down, across)
        out[y, x] = (weights * image).sum() / weights.sum()
    return out


def similar(features, mask, count, window_px, apart_px):
    """For each pixel of the mask the places of those most like it, the most similar first: {(y, x): [(j, i), ...]}."""
    found = {}
    pixels = [tuple(map(int, place)) for place in np.argwhere(mask)]
    for y, x in pixels:
        near = []
        for j, i in pixels:
            in_window = max(abs(j - y), abs(i - x)) <= window_px // 2
            if in_window and (j, i) != (y, x) and np.hypot(j - y, i - x) >= apart_px:
                difference = np.asarray(features[:, y, x], np.float64) - np.asarray(features[:, j, i], np.float64)
                near.append(((difference**2).sum(), (j, i)))
        found[y, x] = [place for _, place in sorted(near)[:count]]
    return found


def non_local_mean(images, tissue, variance, h, sigma_px, window_px):
    """Each pixel's weighted mean, pixel by pixel."""
    out = np.zeros(images.shape)
    inside = np.argwhere(np.asarray(tissue))
    for y, x in inside:
        total = 0.0
        for v, u in inside:
            if max(abs(v - y), abs(u - x)) <= window_px // 2:
                square = float(((images[:, y, x] - images[:, v, u]) ** 2).sum())
                beyond = max(square - 2 * variance * len(images), 0.0)
                weight = np.exp(-beyond / (2 * h**2 * variance) - ((v - y) ** 2 + (u - x) ** 2) / (2 * sigma_px**2))
                total += weight
                out[:, y, x] += weight * images[:, v, u]
        out[:, y, x] /= total
    return out
