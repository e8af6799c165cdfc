// Filters in the order in which the products read them: panels of output channels, each a matrix
// for every position with a row for every word of input channels.
#pragma once

#include "product.h"
#include "transforms.h"

// Where the number of an output channel, an input channel and a tap lies.
struct Filters {
  const float* data;
  int out, in;
  int64_t out_stride, in_stride, tap_stride;
};

// Filters (out, taps, in) of a convolution, 9 taps for a Winograd tile and one for tile 0.
static Filters filters_of(int tile, const float* weight, int out, int in) {
  int64_t taps = tile ? 9 : 1;
  return {weight, out, in, taps * in, 1, in};
}

// The filters of its gradient: those (in, taps, out) from the last tap to the first.
static Filters flipped_filters(int tile, const float* weight, int out, int in) {
  int64_t taps = tile ? 9 : 1;
  return {weight + (taps - 1) * out, out, in, 1, taps * out, -(int64_t)out};
}

static int positions_of(int tile) { return tile ? (tile + 2) * (tile + 2) : 1; }

// Rows of a matrix; one more than there are keeps the positions apart in the sets of the cache.
template <class T>
static int64_t packed_rows(int in) {
  return ceil_div(in, T::PER_WORD) + 1;
}

template <class T>
static int64_t packed_words(int positions, int out, int in) {
  return positions * packed_rows<T>(in) * ceil_div(out, LANES) * LANES;
}

// LANES x LANES channels of one tap; block[i][o].
static void read_block(const Filters& f, int tap, int i, int o, float (*block)[LANES]) {
  const float* corner = f.data + i * f.in_stride + o * f.out_stride + tap * f.tap_stride;
  int rows = min(LANES, f.in - i), columns = min(LANES, f.out - o);
  if (rows == LANES && columns == LANES && f.out_stride == 1) {
    for (int r = 0; r < LANES; r++) store(block[r], load(corner + r * f.in_stride));
  } else if (rows == LANES && columns == LANES && f.in_stride == 1) {
    float lines[LANES][LANES];
    for (int c = 0; c < LANES; c++) store(lines[c], load(corner + c * f.out_stride));
    for (int r = 0; r < LANES; r++)
      for (int c = 0; c < LANES; c++) block[r][c] = lines[c][r];
  } else {
    for (int r = 0; r < LANES; r++)
      for (int c = 0; c < LANES; c++)
        block[r][c] = r < rows && c < columns ? corner[r * f.in_stride + c * f.out_stride] : 0;
  }
}

// All positions of LANES x LANES channels, the input channels from `i` on.
template <class T, int TAPS, int N>
static void pack_block(const Filters& f, int i, int o, float* panel, int64_t position_step,
                       int64_t row_step) {
  float taps[TAPS * TAPS][LANES][LANES];
  for (int tap = 0; tap < TAPS * TAPS; tap++) read_block(f, tap, i, o, taps[tap]);
  int rows = min(LANES, ceil_div(f.in - i, T::PER_WORD) * T::PER_WORD);
  for (int r = 0; r < rows; r++) {
    Vector half[N][TAPS];
    for (int x = 0; x < TAPS; x++) {
      Vector column[TAPS], y[N];
      for (int k = 0; k < TAPS; k++) column[k] = load(taps[k * TAPS + x][r]);
      transform_filter(column, y);
      for (int k = 0; k < N; k++) half[k][x] = y[k];
    }
    for (int k = 0; k < N; k++) {
      Vector y[N];
      transform_filter(half[k], y);
      for (int x = 0; x < N; x++)
        T::put_row(panel + (k * N + x) * position_step, i + r, row_step, y[x]);
    }
  }
}

// TAPS is 3 and N the side of a Winograd tile of inputs, or both are 1 for a direct convolution,
// whose input channels and taps are one long row.
template <class T, int TAPS, int N>
static void pack_filters(const Filters& f, float* packed, int threads) {
  int vectors = ceil_div(f.out, LANES), blocks = ceil_div(f.in, LANES);
#pragma omp parallel for num_threads(threads) if (threads > 1)
  for (int item = 0; item < vectors * blocks; item++) {
    int o = item / blocks, begin = 0, width = panel_width(vectors);
    while (begin + width <= o) begin += width, width = panel_width(vectors - begin);
    float* panel = packed + packed_words<T>(N * N, begin * LANES, f.in) + (o - begin) * LANES;
    pack_block<T, TAPS, N>(f, item % blocks * LANES, o * LANES, panel,
                           packed_words<T>(1, width * LANES, f.in), width * LANES);
  }
}

template <class T>
static void pack_filters(int tile, const Filters& f, float* packed, int threads) {
  switch (tile) {
    case 0: return pack_filters<T, 1, 1>(f, packed, threads);
    case 2: return pack_filters<T, 3, 4>(f, packed, threads);
    case 4: return pack_filters<T, 3, 6>(f, packed, threads);
  }
}
