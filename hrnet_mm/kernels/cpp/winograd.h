// 3x3 convolution of stride 1 by Winograd's minimal filtering.
#pragma once

#include "filters.h"
#include "tiles.h"

constexpr int TILES = 24;  // of one work item

// T: the type of the factors of products, E: that of the maps' numbers.
template <class T, int M, class E>
struct Winograd {
  static constexpr int N = M + 2, POSITIONS = N * N;

  const Op& op;
  TensorOf<E> in, out;
  const E* add;
  Grid<M> grid;
  int first, tiles;
  int64_t channels, in_step, out_step;  // whole vectors of input; words from position to position
  float *inputs, *products;
  E* zeros;

  Winograd(const Op& op, float* const* buffers, int item)
      : op(op), in(tensor<E>(op.in, buffers)), out(tensor<E>(op.out, buffers)), grid(out) {
    add = op.add.buffer < 0 ? nullptr : tensor<E>(op.add, buffers).data;
    first = item / op.groups * TILES;
    tiles = min(TILES, grid.size() - first);
    channels = ceil_div(in.c, LANES) * LANES;
    // The extra words keep the positions apart in the sets of the cache.
    in_step = TILES * channels / T::PER_WORD + 16;
    out_step = TILES * min(ceil_div(out.c, LANES), WIDEST) * LANES + 48;
    inputs = scratch(POSITIONS * (in_step + out_step) + channels);
    products = inputs + POSITIONS * in_step;
    zeros = (E*)(products + POSITIONS * out_step);
    for (int c = 0; c < channels; c += LANES) store(zeros + c, Vector{});
  }

  void run(int group) {
    for (int t = 0; t < tiles; t++)
      read_tile<M>(in, grid[first + t], zeros, [&](int position, int c, Vector v) {
        T::put(inputs + position * in_step, t * channels + c, v);
      });
    Channels range = group_of_panels(op, group);
    int vectors = ceil_div(out.c, LANES), depth = ceil_div(in.c, T::PER_WORD);
    int64_t step = packed_rows<T>(in.c) * LANES;  // of a vector, from position to position
    const Epilogue as_it_is = {nullptr, nullptr, 0, false};
    for (int v = range.begin, width; v < range.end; v += width) {
      width = panel_width(vectors - v);
      const float* filters = op.filters + v * POSITIONS * step;
      for (int p = 0; p < POSITIONS; p++)
        multiply<T>(width, tiles, inputs + p * in_step, channels / T::PER_WORD,
                    filters + p * width * step, products + p * out_step,
                    width * LANES, depth, as_it_is);
      for (int t = 0; t < tiles; t++)
        for (int j = 0; j < width; j++)
          write_tile(grid[first + t], products + t * width * LANES + j * LANES, (v + j) * LANES);
    }
  }

  // A^T along y and then along x, bias, sum and ReLU.
  void write_tile(Corner at, const float* product, int channel) {
    int rows = min(M, out.h - at.y), columns = min(M, out.w - at.x);
    int64_t offset = out.at(at.i, at.y, at.x) - out.data + channel;
    // The compiler makes a faster loop of bounds that it knows.
    if (rows == M && columns == M)
      write_tile(product, channel, offset, M, M);
    else
      write_tile(product, channel, offset, rows, columns);
  }

  __attribute__((always_inline)) void write_tile(const float* product, int channel,
                                                 int64_t offset, int rows, int columns) {
    Vector half[M][N];
    for (int j = 0; j < N; j++) {
      Vector x[N], y[M];
      for (int i = 0; i < N; i++) x[i] = load(product + (i * N + j) * out_step);
      transform_output(x, y);
      for (int i = 0; i < M; i++) half[i][j] = y[i];
    }
    Vector bias = op.bias ? load(op.bias + channel) : Vector{};
    const bool ends_in_relu = op.relu;
    const int64_t sh = out.sh, sw = out.sw;
    const E* shortcut = add ? add + offset : nullptr;
    E* result = out.data + offset;
    for (int i = 0; i < rows; i++) {
      Vector y[M];
      transform_output(half[i], y);
      for (int j = 0; j < columns; j++) {
        Vector v = y[j] + bias;
        if (shortcut) v += load(shortcut + i * sh + j * sw);
        store(result + i * sh + j * sw, ends_in_relu ? relu(v) : v);
      }
    }
  }
};

template <class T, int M, class E = float>
static void winograd(const Op& op, float* const* buffers, int item) {
  Winograd<T, M, E>(op, buffers, item).run(item % op.groups);
}
