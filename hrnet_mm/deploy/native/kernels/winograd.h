// 3x3 convolution of stride 1 by Winograd's minimal filtering (Lavin and Gray, arXiv 1509.09308):
// a tile of M x M outputs from (M + 2) x (M + 2) inputs with (M + 2)^2 instead of 9 M^2 products.
#pragma once

#include "product.h"

constexpr int TILES = 24;  // of one work item

// The points at which the polynomials of the method are evaluated: 0, infinity, +-1 for tiles of 2
// and +-P, +-Q for tiles of 4. These P and Q round least of those that binary numbers represent.
constexpr float P = 0.75f, Q = 1.5f, PP = P * P, QQ = Q * Q;

// The one-dimensional transforms B^T and A^T of the paper; packing.py applies G to the filters.
// Most rows of B^T come in pairs, the sum and the difference of an even and an odd part.
static inline Vector end_row(Vector x0, Vector x2, Vector x4) {
  return x4 - (PP + QQ) * x2 + PP * QQ * x0;
}

static inline void row_pair(float p, float qq, Vector x1, Vector x2, Vector x3, Vector x4,
                            Vector& sum, Vector& difference) {
  Vector even = x4 - qq * x2, odd = p * (x3 - qq * x1);
  sum = even + odd;
  difference = even - odd;
}

static inline void transform_input(const Vector (&x)[4], Vector (&y)[4]) {
  y[0] = x[2] - x[0];
  y[1] = x[2] + x[1];
  y[2] = x[2] - x[1];
  y[3] = x[3] - x[1];
}

static inline void transform_input(const Vector (&x)[6], Vector (&y)[6]) {
  y[0] = end_row(x[0], x[2], x[4]);
  row_pair(P, QQ, x[1], x[2], x[3], x[4], y[1], y[2]);
  row_pair(Q, PP, x[1], x[2], x[3], x[4], y[3], y[4]);
  y[5] = end_row(x[1], x[3], x[5]);
}

static inline void transform_output(const Vector (&x)[4], Vector (&y)[2]) {
  y[0] = x[0] + x[1] + x[2];
  y[1] = x[1] - x[2] + x[3];
}

static inline void transform_output(const Vector (&x)[6], Vector (&y)[4]) {
  Vector even_p = x[1] + x[2], odd_p = P * (x[1] - x[2]);
  Vector even_q = x[3] + x[4], odd_q = Q * (x[3] - x[4]);
  y[0] = x[0] + even_p + even_q;
  y[1] = odd_p + odd_q;
  y[2] = PP * even_p + QQ * even_q;
  y[3] = PP * odd_p + QQ * odd_q + x[5];
}

template <class T, int M>
struct Winograd {
  static constexpr int N = M + 2, POSITIONS = N * N;
  struct Corner { int i, y, x; };  // of a tile: image of the batch, first row and column

  const Op& op;
  Tensor in, out;
  const float* add;
  int tiles_x, tiles_y, first, tiles;
  int64_t channels, in_step, out_step;  // whole vectors of input; words from position to position
  float *inputs, *products, *zeros;
  Corner corners[TILES];

  Winograd(const Op& op, float* const* buffers, int item)
      : op(op), in(tensor(op.in, buffers)), out(tensor(op.out, buffers)) {
    add = op.add.buffer < 0 ? nullptr : tensor(op.add, buffers).data;
    tiles_x = ceil_div(out.w, M);
    tiles_y = ceil_div(out.h, M);
    first = item / op.groups * TILES;
    tiles = min(TILES, out.n * tiles_y * tiles_x - first);
    channels = ceil_div(in.c, LANES) * LANES;
    // The extra words keep the positions apart in the sets of the cache.
    in_step = TILES * channels / T::PER_WORD + 16;
    out_step = TILES * min(ceil_div(out.c, LANES), WIDEST) * LANES + 48;
    inputs = scratch(POSITIONS * (in_step + out_step) + channels);
    products = inputs + POSITIONS * in_step;
    zeros = products + POSITIONS * out_step;
    for (int c = 0; c < channels; c += LANES) store(zeros + c, Vector{});
    find_corners();
  }

  void run(int group) {
    for (int t = 0; t < tiles; t++) read_tile(t);
    Channels range = group_of_panels(op, group);
    int vectors = ceil_div(out.c, LANES), depth = ceil_div(in.c, T::PER_WORD);
    const Epilogue as_it_is = {nullptr, nullptr, 0, false};
    for (int v = range.begin, width; v < range.end; v += width) {
      width = panel_width(vectors - v);
      const float* filters = op.filters + (int64_t)v * LANES * POSITIONS * depth;
      for (int p = 0; p < POSITIONS; p++)
        multiply<T>(width, tiles, inputs + p * in_step, channels / T::PER_WORD,
                    filters + (int64_t)p * depth * width * LANES, products + p * out_step,
                    width * LANES, depth, as_it_is);
      for (int t = 0; t < tiles; t++)
        for (int j = 0; j < width; j++)
          write_tile(t, products + t * width * LANES + j * LANES, (v + j) * LANES);
    }
  }

  void find_corners() {
    int i = first / (tiles_y * tiles_x), row = first / tiles_x % tiles_y, column = first % tiles_x;
    for (int t = 0; t < tiles; t++) {
      corners[t] = {i, row * M, column * M};
      if (++column == tiles_x) column = 0, row++;
      if (row == tiles_y) row = 0, i++;
    }
  }

  void read_tile(int t) {
    Corner at = corners[t];
    const float* corner = in.at(at.i, at.y - 1, at.x - 1);
    if (at.y > 0 && at.x > 0 && at.y + M < in.h && at.x + M < in.w)
      return transform_tile(t, [&](int i, int j) { return corner + i * in.sh + j * in.sw; });
    const float* pixels[N][N];
    for (int i = 0; i < N; i++)
      for (int j = 0; j < N; j++) {
        bool inside = (unsigned)(at.y + i - 1) < (unsigned)in.h &&
                      (unsigned)(at.x + j - 1) < (unsigned)in.w;
        pixels[i][j] = inside ? corner + i * in.sh + j * in.sw : zeros;
      }
    transform_tile(t, [&](int i, int j) { return pixels[i][j]; });
  }

  // B^T along y and then along x; the rows of a pair are done together, as all do not fit into the
  // registers.
  template <class Pixel>
  void transform_tile(int t, Pixel pixel) {
    for (int c = 0; c < in.c; c += LANES) {
      auto x = [&](int i, int j) { return load(pixel(i, j) + c); };
      auto put_row = [&](int i, const Vector(&row)[N]) {
        Vector y[N];
        transform_input(row, y);
        for (int j = 0; j < N; j++)
          T::put(inputs + (i * N + j) * in_step, t * channels + c, y[j]);
      };
      Vector a[N], b[N];
      if constexpr (M == 2) {
        for (int j = 0; j < N; j++) a[j] = x(2, j) - x(0, j), b[j] = x(3, j) - x(1, j);
        put_row(0, a), put_row(3, b);
        for (int j = 0; j < N; j++) a[j] = x(2, j) + x(1, j), b[j] = x(2, j) - x(1, j);
        put_row(1, a), put_row(2, b);
      } else {
        for (int j = 0; j < N; j++) a[j] = end_row(x(0, j), x(2, j), x(4, j));
        put_row(0, a);
        for (int j = 0; j < N; j++) a[j] = end_row(x(1, j), x(3, j), x(5, j));
        put_row(5, a);
        for (int j = 0; j < N; j++)
          row_pair(P, QQ, x(1, j), x(2, j), x(3, j), x(4, j), a[j], b[j]);
        put_row(1, a), put_row(2, b);
        for (int j = 0; j < N; j++)
          row_pair(Q, PP, x(1, j), x(2, j), x(3, j), x(4, j), a[j], b[j]);
        put_row(3, a), put_row(4, b);
      }
    }
  }

  // A^T along y and then along x, bias, sum and ReLU.
  void write_tile(int t, const float* product, int channel) {
    Corner at = corners[t];
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
    Vector bias = load(op.bias + channel);
    const bool ends_in_relu = op.relu;
    const int64_t sh = out.sh, sw = out.sw;
    const float* shortcut = add ? add + offset : nullptr;
    float* result = out.data + offset;
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

template <class T, int M>
static void winograd(const Op& op, float* const* buffers, int item) {
  Winograd<T, M>(op, buffers, item).run(item % op.groups);
}
