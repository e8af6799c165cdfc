// The gradient of the filters of a 3x3 convolution of stride 1, in Winograd's domain: for every
// position the product of the transformed gradients and inputs of all tiles, then back through G.
#pragma once

#include "product.h"
#include "tiles.h"

constexpr int TILES_AT_ONCE = 48;  // of a core
constexpr int SHARES_OF_TILES = 16;  // at most

// result[ROWS][WIDTH vectors] += a[depth][ROWS]^T * b[depth][WIDTH vectors]; steps are in words,
// from row to row of a, b and the result.
template <class T, int ROWS, int WIDTH>
static inline void accumulate_rows(const float* a, int64_t a_step, const float* b, int64_t b_step,
                                   float* result, int64_t step, int depth, bool is_first) {
  Vector sum[ROWS][WIDTH];
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < WIDTH; j++)
      sum[i][j] = is_first ? Vector{} : load(result + i * step + j * LANES);
  for (int k = 0; k < depth; k++, a += a_step, b += b_step) {
    Vector row[WIDTH];
#pragma GCC unroll 4
    for (int j = 0; j < WIDTH; j++) row[j] = load(b + j * LANES);
#pragma GCC unroll 24
    for (int i = 0; i < ROWS; i++) {
      Vector x = spread(a + i);
#pragma GCC unroll 4
      for (int j = 0; j < WIDTH; j++) sum[i][j] = T::multiply_add(sum[i][j], x, row[j]);
    }
  }
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < WIDTH; j++) store(result + i * step + j * LANES, sum[i][j]);
}

template <class T, int WIDTH>
static void accumulate(int rows, const float* a, int64_t a_step, const float* b, int64_t b_step,
                       float* result, int64_t step, int depth, bool is_first) {
  constexpr int ROWS = WIDTH == 1 ? LANES : ACCUMULATORS / WIDTH;
  for (; rows >= ROWS; rows -= ROWS, a += ROWS, result += ROWS * step)
    accumulate_rows<T, ROWS, WIDTH>(a, a_step, b, b_step, result, step, depth, is_first);
  for (; rows >= 4; rows -= 4, a += 4, result += 4 * step)
    accumulate_rows<T, 4, WIDTH>(a, a_step, b, b_step, result, step, depth, is_first);
  for (; rows > 0; rows -= 2, a += 2, result += 2 * step)
    accumulate_rows<T, 2, WIDTH>(a, a_step, b, b_step, result, step, depth, is_first);
}

// The channels of both maps are whole vectors. T: the type of the factors of products, E: that of
// the maps' numbers.
template <class T, int M, class E>
struct WeightGradient {
  static constexpr int N = M == 1 ? 1 : M + 2, POSITIONS = N * N, TAPS = N - M + 1;

  // What a sum over some of the tiles takes.
  struct Share { float *inputs, *gradients, *sums; };

  TensorOf<E> in, gradient;
  Grid<M> grid;
  int threads, shares, at_once;
  // Words from row to row and from position to position. The extra ones keep what is read together
  // apart in the sets of the cache.
  int64_t in_row, gradient_row, in_step, gradient_step, sum_step, share_size;
  float* memory;
  E* zeros;

  WeightGradient(const TensorOf<E>& in, const TensorOf<E>& gradient, int threads)
      : in(in), gradient(gradient), grid(gradient), threads(threads) {
    // The threads share the positions. A 1x1 convolution has one: they share the tiles, and the sums
    // of shares are added up. How many there are does not depend on the threads, so the bits do not.
    shares = M == 1 ? max(1, min(SHARES_OF_TILES, grid.size() / TILES_AT_ONCE)) : 1;
    at_once = min(TILES_AT_ONCE * (M == 1 ? 1 : threads), grid.size() + grid.size() % 2);
    int rows = ceil_div(at_once, T::PER_WORD);
    in_row = in.c + (in.c % 128 ? 0 : LANES);
    gradient_row = gradient.c + (gradient.c % 128 ? 0 : LANES);
    in_step = rows * in_row + LANES;
    gradient_step = rows * gradient_row + LANES;
    sum_step = (int64_t)in.c * gradient.c + LANES;
    share_size = POSITIONS * (in_step + gradient_step + sum_step);
    memory = workspace(shares * share_size + in.c);
    zeros = (E*)(memory + shares * share_size);
    for (int c = 0; c < in.c; c += LANES) store(zeros + c, Vector{});
  }

  // (out, 3, 3, in)
  void run(float* result) {
    int vectors = in.c / LANES;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
      if constexpr (M == 1) {
#pragma omp for
        for (int i = 0; i < shares; i++)
          sum_alone(share(i), (int64_t)grid.size() * i / shares,
                    (int64_t)grid.size() * (i + 1) / shares);
      } else {
        sum_together(share(0));
      }
#pragma omp for
      for (int o = 0; o < gradient.c; o++)
        for (int v = 0; v < vectors; v++) write(o, v * LANES, result);
    }
  }

  Share share(int i) const {
    float* inputs = memory + i * share_size;
    float* gradients = inputs + POSITIONS * in_step;
    return {inputs, gradients, gradients + POSITIONS * gradient_step};
  }

  void sum_alone(const Share& share, int begin, int end) const {
    for (int first = begin; first < end; first += at_once) {
      int tiles = min(at_once, end - first), words = ceil_div(tiles, T::PER_WORD);
      for (int word = 0; word < words; word++) read_word(share, first, word, tiles);
      for (int item = 0; item < items(); item++) multiply(share, item, words, first == begin);
    }
  }

  // All threads call it.
  void sum_together(const Share& share) const {
    for (int first = 0; first < grid.size(); first += at_once) {
      int tiles = min(at_once, grid.size() - first), words = ceil_div(tiles, T::PER_WORD);
#pragma omp for
      for (int word = 0; word < words; word++) read_word(share, first, word, tiles);
#pragma omp for
      for (int item = 0; item < items(); item++) multiply(share, item, words, first == 0);
    }
  }

  void read_word(const Share& share, int first, int word, int tiles) const {
    for (int t = word * T::PER_WORD; t < (word + 1) * T::PER_WORD; t++)
      read(share, first, t, t < tiles);
  }

  void read(const Share& share, int first, int t, bool exists) const {
    auto put_input = [&](int position, int c, Vector v) {
      T::put_row(share.inputs + position * in_step + c, t, in_row, v);
    };
    auto put_gradient = [&](int position, int c, Vector v) {
      T::put_row(share.gradients + position * gradient_step + c, t, gradient_row, v);
    };
    if (!exists) {
      for (int p = 0; p < POSITIONS; p++) {
        for (int c = 0; c < in.c; c += LANES) put_input(p, c, Vector{});
        for (int c = 0; c < gradient.c; c += LANES) put_gradient(p, c, Vector{});
      }
    } else if constexpr (M == 1) {
      read_pixel(in, grid[first + t], put_input);
      read_pixel(gradient, grid[first + t], put_gradient);
    } else {
      read_tile<M>(in, grid[first + t], zeros, put_input);
      read_gradient_tile<M>(gradient, grid[first + t], put_gradient);
    }
  }

  // Panels of input channels at each position.
  int items() const { return POSITIONS * count_panels(in.c); }

  void multiply(const Share& share, int item, int depth, bool is_first) const {
    int panels = count_panels(in.c), position = item / panels;
    int vectors = in.c / LANES, begin = 0, width = panel_width(vectors);
    for (int panel = item % panels; panel > 0; panel--)
      begin += width, width = panel_width(vectors - begin);
    const float* a = share.gradients + position * gradient_step;
    const float* b = share.inputs + position * in_step + begin * LANES;
    float* sum = share.sums + position * sum_step + begin * LANES;
    auto run = width == 1   ? accumulate<T, 1>
               : width == 2 ? accumulate<T, 2>
               : width == 3 ? accumulate<T, 3>
                            : accumulate<T, 4>;
    run(gradient.c, a, gradient_row, b, in_row, sum, in.c, depth, is_first);
  }

  void write(int o, int c, float* result) const {
    const float* sum = share(0).sums + (int64_t)o * in.c + c;
    Vector half[TAPS][N];
    for (int j = 0; j < N; j++) {
      Vector y[N], x[TAPS];
      for (int i = 0; i < N; i++) y[i] = load(sum + (i * N + j) * sum_step);
      if constexpr (M == 1)
        for (int i = 1; i < shares; i++) y[0] += load(sum + i * share_size);
      transform_filter_gradient(y, x);
      for (int i = 0; i < TAPS; i++) half[i][j] = x[i];
    }
    for (int i = 0; i < TAPS; i++) {
      Vector x[TAPS];
      transform_filter_gradient(half[i], x);
      for (int j = 0; j < TAPS; j++)
        store(result + ((int64_t)(o * TAPS + i) * TAPS + j) * in.c + c, x[j]);
    }
  }
};
