// Batch norm of training on maps with channels last, with what follows it in a block: the sum with
// a shortcut, and ReLU. Channels are whole vectors.
#pragma once

#include <cmath>

#include "op.h"

// A chunk of pixels is summed up by itself, whatever the number of threads, and stays in the
// first-level cache from pass to pass.
constexpr int CHUNK = 4096;  // numbers

struct Norm {
  int64_t pixels;
  int channels, relu, threads;

  int64_t rows() const { return channels < CHUNK ? CHUNK / channels : 1; }
  int chunks() const { return (pixels + rows() - 1) / rows(); }

  // Calls work(chunk, first pixel, last pixel) for every chunk.
  template <class Work>
  void for_chunks(Work work) const {
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int chunk = 0; chunk < chunks(); chunk++) {
      int64_t begin = chunk * rows(), end = begin + rows();
      work(chunk, begin, end < pixels ? end : pixels);
    }
  }

  // Vectors beside each other are read together: the memory is faster in the order it lies in.
  template <int VECTORS, class Terms>
  void sum_chunk(int64_t begin, int64_t end, int c, float* result, Terms terms) const {
    Vector first[VECTORS] = {}, second[VECTORS] = {};
    for (int64_t p = begin; p < end; p++)
      for (int k = 0; k < VECTORS; k++)
        terms(p * channels + c + k * LANES, c + k * LANES, first[k], second[k]);
    for (int k = 0; k < VECTORS; k++) {
      store(result + c + k * LANES, first[k]);
      store(result + channels + c + k * LANES, second[k]);
    }
  }

  // Sums two terms of every pixel: terms(offset, channel, first, second) adds them. Returns
  // (chunks, 2, channels).
  template <class Terms>
  float* sum_chunks(Terms terms) const {
    float* sums = workspace((size_t)chunks() * 2 * channels);
    for_chunks([&](int chunk, int64_t begin, int64_t end) {
      float* result = sums + (int64_t)chunk * 2 * channels;
      int c = 0;
      for (; c + 4 * LANES <= channels; c += 4 * LANES) sum_chunk<4>(begin, end, c, result, terms);
      for (; c < channels; c += LANES) sum_chunk<1>(begin, end, c, result, terms);
    });
    return sums;
  }

  double total(const float* sums, int which, int c) const {
    double result = 0;
    for (int chunk = 0; chunk < chunks(); chunk++)
      result += sums[(chunk * 2LL + which) * channels + c];
    return result;
  }

  // Calls work(offset, channel) for every vector of the maps, the last pixels first: they are in
  // the cache still.
  template <class Work>
  void for_vectors(Work work) const {
    for_chunks([&](int chunk, int64_t, int64_t) {
      int64_t begin = (chunks() - 1 - chunk) * rows(), end = begin + rows();
      for (int64_t p = begin; p < (end < pixels ? end : pixels); p++)
        for (int c = 0; c < channels; c += LANES) work(p * channels + c, c);
    });
  }

  // The mean and the reciprocal standard deviation of every channel; the running ones follow.
  template <class E>
  void statistics(const E* x, float epsilon, float momentum, float* running_mean,
                  float* running_variance, float* mean, float* scale) const {
    // Differences to some pixel lose no digits where the mean is far from zero.
    const float* sums = sum_chunks([&](int64_t at, int c, Vector& first, Vector& second) {
      Vector d = load(x + at) - load(x + c);
      first += d;
      second += d * d;
    });
    for (int c = 0; c < channels; c += LANES) store(mean + c, load(x + c));
    for (int c = 0; c < channels; c++) {
      double shift = total(sums, 0, c) / pixels;
      double variance = total(sums, 1, c) / pixels - shift * shift;
      if (variance < 0) variance = 0;
      mean[c] += shift;
      scale[c] = 1 / sqrt(variance + epsilon);
      double unbiased = variance * pixels / (pixels - 1);
      running_mean[c] += momentum * (mean[c] - running_mean[c]);
      running_variance[c] += momentum * (unbiased - running_variance[c]);
    }
  }

  template <class E>
  void forward(const E* x, const E* shortcut, const float* weight, const float* bias,
               const float* mean, const float* scale, E* y) const {
    float* factors = workspace(2 * channels);
    for (int c = 0; c < channels; c++) {
      factors[c] = weight[c] * scale[c];
      factors[channels + c] = bias[c] - mean[c] * factors[c];
    }
    for_vectors([&](int64_t at, int c) {
      Vector v = load(x + at) * load(factors + c) + load(factors + channels + c);
      if (shortcut) v += load(shortcut + at);
      store(y + at, this->relu ? ::relu(v) : v);
    });
  }

  // Of the norm and the sum, from that of the output `y`.
  template <class E>
  Vector gradient(const E* dy, const E* y, int64_t at) const {
    Vector g = load(dy + at);
    return relu ? (load(y + at) <= 0 ? Vector{} : g) : g;
  }

  // `dshortcut` may be null.
  template <class E>
  void backward(const E* dy, const E* x, const E* y, const float* weight, const float* mean,
                const float* scale, E* dx, E* dshortcut, float* dweight, float* dbias) const {
    const float* sums = sum_chunks([&](int64_t at, int c, Vector& first, Vector& second) {
      Vector g = gradient(dy, y, at);
      if (dshortcut) store(dshortcut + at, g);
      first += g;
      second += g * (load(x + at) - load(mean + c));
    });
    for (int c = 0; c < channels; c++) {
      dbias[c] = total(sums, 0, c);
      dweight[c] = total(sums, 1, c) * scale[c];
    }
    float* factors = workspace(3 * channels);
    for (int c = 0; c < channels; c++) {
      double of_gradient = (double)weight[c] * scale[c];
      factors[c] = of_gradient;
      factors[channels + c] = -of_gradient * dweight[c] * scale[c] / pixels;
      factors[2 * channels + c] = -of_gradient * dbias[c] / pixels;
    }
    for_vectors([&](int64_t at, int c) {
      Vector g = dshortcut ? load(dshortcut + at) : gradient(dy, y, at);
      Vector centred = load(x + at) - load(mean + c);
      store(dx + at, g * load(factors + c) + centred * load(factors + channels + c) +
                         load(factors + 2 * channels + c));
    });
  }
};
