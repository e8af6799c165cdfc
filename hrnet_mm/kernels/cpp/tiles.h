// The tiles of a map, and what Winograd's method makes of each.
#pragma once

#include "op.h"
#include "transforms.h"

struct Corner { int i, y, x; };  // of a tile: image of the batch, first row and column

// All tiles of M x M pixels, image by image and row by row; those at the edges may be smaller.
template <int M>
struct Grid {
  int n, y, x;
  template <class E>
  explicit Grid(const TensorOf<E>& map) : n(map.n), y(ceil_div(map.h, M)), x(ceil_div(map.w, M)) {}
  int size() const { return n * y * x; }
  Corner operator[](int tile) const {
    return {tile / (y * x), tile / x % y * M, tile % x * M};
  }
};

// B^T along y and then along x; the rows of a pair are done together, as all do not fit into the
// registers.
template <int M, class Pixel, class Put>
static void transform_tile(int channels, Pixel pixel, Put put) {
  constexpr int N = M + 2;
  for (int c = 0; c < channels; c += LANES) {
    auto x = [&](int i, int j) { return load(pixel(i, j) + c); };
    auto put_row = [&](int i, const Vector(&row)[N]) {
      Vector y[N];
      transform_input(row, y);
      for (int j = 0; j < N; j++) put(i * N + j, c, y[j]);
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
      for (int j = 0; j < N; j++) row_pair(P, QQ, x(1, j), x(2, j), x(3, j), x(4, j), a[j], b[j]);
      put_row(1, a), put_row(2, b);
      for (int j = 0; j < N; j++) row_pair(Q, PP, x(1, j), x(2, j), x(3, j), x(4, j), a[j], b[j]);
      put_row(3, a), put_row(4, b);
    }
  }
}

// A along y and then along x.
template <int M, class Pixel, class Put>
static void transform_gradient_tile(int channels, Pixel pixel, Put put) {
  constexpr int N = M + 2;
  for (int c = 0; c < channels; c += LANES) {
    Vector half[N][M];
    for (int j = 0; j < M; j++) {
      Vector y[M], x[N];
      for (int i = 0; i < M; i++) y[i] = pixel(i, j, c);
      transform_gradient(y, x);
      for (int i = 0; i < N; i++) half[i][j] = x[i];
    }
    for (int i = 0; i < N; i++) {
      Vector x[N];
      transform_gradient(half[i], x);
      for (int j = 0; j < N; j++) put(i * N + j, c, x[j]);
    }
  }
}

// Calls work(pixel), where pixel(i, j) is an input of a tile, or `zeros` where the map has ended; they
// are as many as there are channels.
template <int M, class E, class Work>
static inline __attribute__((always_inline)) void with_pixels(const TensorOf<E>& in, Corner at,
                                                              const E* zeros, Work work) {
  constexpr int N = M + 2;
  const E* corner = in.at(at.i, at.y - 1, at.x - 1);
  const int64_t sh = in.sh, sw = in.sw;
  if (at.y > 0 && at.x > 0 && at.y + M < in.h && at.x + M < in.w)
    return work([=](int i, int j) { return corner + i * sh + j * sw; });
  const E* pixels[N][N];
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      bool inside = (unsigned)(at.y + i - 1) < (unsigned)in.h &&
                    (unsigned)(at.x + j - 1) < (unsigned)in.w;
      pixels[i][j] = inside ? corner + i * sh + j * sw : zeros;
    }
  work([&](int i, int j) { return pixels[i][j]; });
}

// B^T along y and x of the inputs of a tile; `put(position, channel, vector)` takes the results.
template <int M, class E, class Put>
static void read_tile(const TensorOf<E>& in, Corner at, const E* zeros, Put put) {
  with_pixels<M>(in, at, zeros, [&](auto pixel) { transform_tile<M>(in.c, pixel, put); });
}

// A along y and x of the gradients of a tile's outputs, likewise.
template <int M, class E, class Put>
static void read_gradient_tile(const TensorOf<E>& gradient, Corner at, Put put) {
  int rows = min(M, gradient.h - at.y), columns = min(M, gradient.w - at.x);
  const E* corner = gradient.at(at.i, at.y, at.x);
  auto pixel = [&](int i, int j) { return corner + i * gradient.sh + j * gradient.sw; };
  if (rows == M && columns == M)
    return transform_gradient_tile<M>(
        gradient.c, [&](int i, int j, int c) { return load(pixel(i, j) + c); }, put);
  transform_gradient_tile<M>(
      gradient.c,
      [&](int i, int j, int c) {
        return i < rows && j < columns ? load(pixel(i, j) + c) : Vector{};
      },
      put);
}

// The same for a 1x1 convolution, whose tiles are single pixels.
template <class E, class Put>
static void read_pixel(const TensorOf<E>& map, Corner at, Put put) {
  for (int c = 0; c < map.c; c += LANES) put(0, c, load(map.at(at.i, at.y, at.x) + c));
}
