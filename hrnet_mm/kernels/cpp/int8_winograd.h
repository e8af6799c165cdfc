// 3x3 convolution of bytes, of stride 1, by Winograd's tiles of 4 at the points 0, 1, -1, 2, -2 and
// infinity, and exact.
//
// The transforms of bytes and of filters are integers of 16 bits. Products and sums are modulo
// 2^32, and so is the transform of the output: it gives 576 = 9 * 64 times the sum of the direct
// method. Times the inverse of 9 modulo 2^32 that is 64 times the sum, if the sum is below 2^25.
#pragma once

#include "int8.h"
#include "tiles.h"

#if HAS_INT8
typedef int16_t S16 __attribute__((vector_size(64)));
typedef int32_t S32 __attribute__((vector_size(64)));

constexpr int32_t INVERSE_OF_9 = 954437177;
static_assert(9 * (uint32_t)INVERSE_OF_9 == 1u, "");

// B^T, of at most 10 times its largest input.
static inline __attribute__((always_inline)) void transform_bytes(const S16 (&x)[6], S16 (&y)[6]) {
  S16 even = x[4] - (x[2] << 2), odd = x[3] - (x[1] << 2);
  S16 e = x[4] - x[2], o = x[3] - x[1], o2 = o + o;
  y[0] = (x[0] << 2) + even - x[2];
  y[1] = even + odd;
  y[2] = even - odd;
  y[3] = e + o2;
  y[4] = e - o2;
  y[5] = x[5] - x[3] - (o2 + o2);
}

// A^T, but for factors that transform_filter_bytes has: 8 times as much.
static inline __attribute__((always_inline)) void transform_sums(const S32 (&x)[6], S32 (&y)[4]) {
  S32 e1 = x[1] + x[2], o1 = x[1] - x[2], e3 = x[3] + x[4], o3 = x[3] - x[4];
  y[0] = x[0] + e1 + e3;
  y[1] = o1 + (o3 << 1);
  y[2] = e1 + (e3 << 2);
  y[3] = o1 + (o3 << 3) + (x[5] << 1);
}

// G times 24, without what transform_sums multiplies by: of at most 12 times its largest input.
static inline __attribute__((always_inline)) void transform_filter_bytes(const S16 (&x)[3],
                                                                         S16 (&y)[6]) {
  S16 a = -((x[0] + x[2]) << 2), b = x[1] << 2, c = x[0] + (x[2] << 2), d = x[1] << 1;
  y[0] = (x[0] << 2) + (x[0] << 1);
  y[1] = a - b;
  y[2] = a + b;
  y[3] = c + d;
  y[4] = c - d;
  y[5] = (x[2] << 3) + (x[2] << 2);
}

template <class Bytes>
static inline S16 widened(const Bytes* p) {
  __m256i bytes = _mm256_loadu_si256((const __m256i*)p);
  return (S16)(std::is_signed_v<Bytes> ? _mm512_cvtepi8_epi16(bytes) : _mm512_cvtepu8_epi16(bytes));
}

// Along y and then along x. `read(i, j)` gives one of SIDE x SIDE inputs, `put(position, numbers)`
// takes one of 6 x 6 results.
template <int SIDE, class Read, class Transform, class Put>
static inline __attribute__((always_inline)) void transform_square(Read read, Transform transform,
                                                                   Put put) {
  S16 half[6][SIDE];
#pragma GCC unroll 2
  for (int j = 0; j < SIDE; j++) {
    S16 x[SIDE], y[6];
#pragma GCC unroll 6
    for (int i = 0; i < SIDE; i++) x[i] = read(i, j);
    transform(x, y);
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) half[i][j] = y[i];
  }
#pragma GCC unroll 2
  for (int i = 0; i < 6; i++) {
    S16 y[6];
    transform(half[i], y);
#pragma GCC unroll 6
    for (int j = 0; j < 6; j++) put(i * 6 + j, y[j]);
  }
}

// `step` numbers from position to position.
template <class Pixel>
static inline __attribute__((always_inline)) void transform_tile_of_bytes(int channels, Pixel pixel,
                                                                          int16_t* v, int step) {
  for (int c = 0; c < channels; c += 32)
    transform_square<6>([=](int i, int j) { return widened(pixel(i, j) + c); }, transform_bytes,
                        [=](int p, S16 x) { _mm512_store_si512(v + p * step + c, (__m512i)x); });
}

// A panel's filters as they are kept, (in / 2, 9, width * LANES, 2) bytes, to
// (36, in / 2, width * LANES, 2), with `step` numbers from position to position.
static void transform_filters(const int8_t* filters, int pairs, int width, int16_t* out, int step) {
  const int row = width * LANES * 2;
  for (int k = 0; k < pairs; k++, filters += 9 * row, out += row)
    for (int c = 0; c < row; c += 32)
      transform_square<3>(
          [=](int i, int j) { return widened(filters + (i * 3 + j) * row + c); },
          transform_filter_bytes,
          [=](int p, S16 x) { _mm512_store_si512(out + p * step + c, (__m512i)x); });
}

struct WinogradOfBytes {
  static constexpr int POSITIONS = 36, LARGEST_KEPT = 2 << 20;  // bytes

  const Op& op;
  float* const* buffers;
  TensorOf<uint8_t> in;
  Grid<4> grid;
  int channels, at_once;                    // whole vectors of 32; tiles
  int in_step, out_step, pairs, panel_step;  // from position to position
  int16_t *inputs, *filters;
  int32_t* sums;
  uint8_t* zeros;

  WinogradOfBytes(const Op& op, float* const* buffers)
      : op(op), buffers(buffers), in(tensor<uint8_t>(op.in, buffers)), grid(in) {
    channels = ceil_div(in.c, 32) * 32;
    pairs = ceil_div(in.c, 2);
    // With few channels, as many as leave the first-level cache room for the filters of a position.
    int all = min(op.tiles, grid.size());
    at_once = in.c <= 64 ? 6 : all <= 2 * MOST_ROWS ? all : MOST_ROWS;
    // The extra words keep the positions apart in the sets of the cache.
    in_step = at_once * channels + 32;
    out_step = at_once * 2 * LANES + 16;
    panel_step = pairs * 4 * LANES + 32;
  }

  void run(int item) {
    Channels range = group_of_bytes(op, item % op.groups);
    int begin = item / op.groups * op.tiles, end = min(begin + op.tiles, grid.size());
    int64_t panel = (int64_t)POSITIONS * panel_step;
    int panels = ceil_div(range.end - range.begin, 2);
    // What is used once, or would be far from the processor by then, is transformed when it is used.
    bool by_panel = end - begin <= at_once || panels * panel * 2 > LARGEST_KEPT;
    if (by_panel) panels = 1;
    float* memory = scratch(POSITIONS * (in_step / 2 + out_step) + channels / 4 + panels * panel / 2);
    sums = (int32_t*)memory;
    inputs = (int16_t*)(sums + POSITIONS * out_step);
    filters = inputs + POSITIONS * in_step;
    zeros = (uint8_t*)(filters + panels * panel);
    memset(zeros, 0, channels);
    int vectors = ceil_div(op.out.c, LANES);
    auto transform = [&](int v, int16_t* to) {
      const int8_t* kept = (const int8_t*)op.filters + (int64_t)v * 9 * pairs * 2 * LANES;
      transform_filters(kept, pairs, panel_of_bytes(vectors - v), to, panel_step);
    };
    if (!by_panel)
      for (int v = range.begin; v < range.end; v += 2)
        transform(v, filters + (v - range.begin) / 2 * panel);
    for (int first = begin; first < end; first += at_once) {
      int tiles = min(at_once, end - first);
      for (int t = 0; t < tiles; t++)
        with_pixels<4>(in, grid[first + t], zeros, [&](auto pixel) {
          transform_tile_of_bytes(in.c, pixel, inputs + t * channels, in_step);
        });
      for (int v = range.begin; v < range.end; v += 2) {
        int width = panel_of_bytes(vectors - v);
        int16_t* f = filters + (by_panel ? 0 : (v - range.begin) / 2 * panel);
        if (by_panel) transform(v, f);
        for (int p = 0; p < POSITIONS; p++)
          for (int t = 0; t < tiles; t += MOST_ROWS) {
            const uint8_t* rows = (const uint8_t*)(inputs + p * in_step + t * channels);
            function_for<Int16>(min(MOST_ROWS, tiles - t), width)(
                {rows, 2 * channels, 0, 1, pairs}, (const int8_t*)(f + p * panel_step),
                sums + p * out_step + t * width * LANES);
          }
        with_finish(op, buffers, v * LANES, width, 64, [&](const auto& finish) {
          for (int t = 0; t < tiles; t++)
            write_tile(grid[first + t], sums + t * width * LANES, finish);
        });
      }
    }
  }

  template <class Out, class Add, int WIDTH>
  void write_tile(Corner at, const int32_t* product, const Finish<Out, Add, WIDTH>& finish) const {
    S32 half[WIDTH][4][6];
    for (int j = 0; j < WIDTH; j++)
#pragma GCC unroll 2
      for (int b = 0; b < 6; b++) {
        S32 x[6], y[4];
        for (int a = 0; a < 6; a++)
          x[a] = (S32)_mm512_load_si512(product + (a * 6 + b) * out_step + j * LANES);
        transform_sums(x, y);
        for (int a = 0; a < 4; a++) half[j][a][b] = y[a];
      }
    int rows = min(4, op.out.h - at.y), columns = min(4, op.out.w - at.x);
    int64_t offset = at.i * op.out.sn + at.y * op.out.sh + at.x * op.out.sw;
    const int64_t sh = op.out.sh, sw = op.out.sw;
    const auto end = finish;  // its own: a store may change what a reference points to
    for (int a = 0; a < rows; a++, offset += sh) {
      S32 y[WIDTH][4];
      for (int j = 0; j < WIDTH; j++) transform_sums(half[j][a], y[j]);
      auto sum = [&](int b, int j) { return (__m512i)(y[j][b] * INVERSE_OF_9); };
      if (columns == 4) {
        end.put(offset, offset + sw, [&](int b, int j) { return sum(b, j); });
        end.put(offset + 2 * sw, offset + 3 * sw, [&](int b, int j) { return sum(2 + b, j); });
      } else {
        for (int b = 0; b < columns; b++)
          end.put(offset + b * sw, [&](int j) { return sum(b, j); });
      }
    }
  }
};
#endif
