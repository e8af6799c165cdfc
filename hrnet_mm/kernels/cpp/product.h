// The matrix product that every convolution is made of.
#pragma once

#include "op.h"

// Output channels are split into panels of 1 to WIDEST vectors.
static int panel_width(int vectors_left) {
  if (WIDEST == 2 || vectors_left < 3) return min(vectors_left, WIDEST > 2 ? 2 : WIDEST);
  return vectors_left % 4 == 0 ? 4 : 3;
}

struct Epilogue {
  const float* bias;  // of the panel; null: nothing is added and the product is stored as it is
  const float* add;   // same rows as the result, or null
  int64_t add_stride;
  bool relu;
};

// result[rows][WIDTH vectors] = a[rows][depth] * b[depth][WIDTH vectors], then the epilogue. `depth`
// and the strides are in words.
template <class T, int ROWS, int WIDTH>
static inline void multiply_rows(const float* a, int64_t a_stride, const float* b, float* result,
                                 int64_t stride, int depth, const Epilogue& end) {
  Vector sum[ROWS][WIDTH];
  for (int j = 0; j < WIDTH; j++) {
    Vector start = end.bias ? load(end.bias + j * LANES) : Vector{};
    for (int i = 0; i < ROWS; i++) sum[i][j] = start;
  }
  // The filters come from memory: fetch those of the next product during this one.
  const float* next = b + (int64_t)depth * WIDTH * LANES;
  for (int k = 0; k < depth; k++) {
    Vector row[WIDTH];
#pragma GCC unroll 4
    for (int j = 0; j < WIDTH; j++)
      __builtin_prefetch(next + (int64_t)(k * WIDTH + j) * LANES, 0, 2);
#pragma GCC unroll 4
    for (int j = 0; j < WIDTH; j++) row[j] = load(b + (int64_t)(k * WIDTH + j) * LANES);
#pragma GCC unroll 24
    for (int i = 0; i < ROWS; i++) {
      Vector x = spread(a + i * a_stride + k);
#pragma GCC unroll 4
      for (int j = 0; j < WIDTH; j++) sum[i][j] = T::multiply_add(sum[i][j], x, row[j]);
    }
  }
  for (int i = 0; i < ROWS; i++)
    for (int j = 0; j < WIDTH; j++) {
      Vector v = sum[i][j];
      if (end.add) v += load(end.add + i * end.add_stride + j * LANES);
      store(result + i * stride + j * LANES, end.relu ? relu(v) : v);
    }
}

template <class T, int ROWS, int WIDTH>
static void multiply_last_rows(int rows, const float* a, int64_t a_stride, const float* b,
                               float* result, int64_t stride, int depth, const Epilogue& end) {
  if constexpr (ROWS > 0) {
    if (rows == ROWS)
      multiply_rows<T, ROWS, WIDTH>(a, a_stride, b, result, stride, depth, end);
    else
      multiply_last_rows<T, ROWS - 1, WIDTH>(rows, a, a_stride, b, result, stride, depth, end);
  }
}

template <class T, int WIDTH>
static void multiply_panel(int rows, const float* a, int64_t a_stride, const float* b,
                           float* result, int64_t stride, int depth, Epilogue end) {
  constexpr int ROWS = ACCUMULATORS / (WIDTH == 1 ? 2 : WIDTH);
  for (; rows >= ROWS; rows -= ROWS) {
    multiply_rows<T, ROWS, WIDTH>(a, a_stride, b, result, stride, depth, end);
    a += ROWS * a_stride;
    result += ROWS * stride;
    if (end.add) end.add += ROWS * end.add_stride;
  }
  multiply_last_rows<T, ROWS - 1, WIDTH>(rows, a, a_stride, b, result, stride, depth, end);
}

template <class T>
static void multiply(int width, int rows, const float* a, int64_t a_stride, const float* b,
                     float* result, int64_t stride, int depth, const Epilogue& end) {
  switch (width) {
    case 1: return multiply_panel<T, 1>(rows, a, a_stride, b, result, stride, depth, end);
    case 2: return multiply_panel<T, 2>(rows, a, a_stride, b, result, stride, depth, end);
    case 3: return multiply_panel<T, 3>(rows, a, a_stride, b, result, stride, depth, end);
    case 4: return multiply_panel<T, 4>(rows, a, a_stride, b, result, stride, depth, end);
  }
}

// The vectors of output channels of a group of panels.
struct Channels { int begin, end; };

static int count_panels(int channels) {
  int vectors = ceil_div(channels, LANES), panels = 0;
  for (int v = 0; v < vectors; v += panel_width(vectors - v)) panels++;
  return panels;
}

static Channels group_of_panels(const Op& op, int group) {
  int vectors = ceil_div(op.out.c, LANES), panels = count_panels(op.out.c);
  int first = panels * group / op.groups, last = panels * (group + 1) / op.groups;
  Channels range = {0, 0};
  for (int v = 0, p = 0; p < last; p++) {
    if (p == first) range.begin = v;
    v += panel_width(vectors - v);
    range.end = v;
  }
  return range;
}
