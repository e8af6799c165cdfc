// Operations on maps other than convolutions: upsampling and sum, pooling.
#pragma once

#include <cmath>

#include "int8.h"

constexpr int ROWS_OF_SUM = 8;  // of one work item

// Where an output coordinate lies between two of the input's, as PyTorch defines it.
struct Between { int low, high; float fraction; };

static Between between(int mode, int position, int in, int out) {
  if (mode == NEAREST) {
    int low = min((int)floorf(position * ((float)in / out)), in - 1);
    return {low, low, 0};
  }
  float x = mode == BILINEAR_ALIGNED ? (out > 1 ? position * ((float)(in - 1) / (out - 1)) : 0)
                                     : ((float)in / out) * (position + 0.5f) - 0.5f;
  x = x > 0 ? x : 0;
  int low = min((int)x, in - 1);
  return {low, min(low + 1, in - 1), x - low};
}

// Where each column of a row of the output lies in some maps, one after the other; it is the same in
// every row. Kept until the thread asks for others.
static const Between* columns_between(const Op& op, const Map* maps, int count) {
  static thread_local Memory memory;
  auto columns = (Between*)memory.get(count * op.out.w * sizeof(Between) / sizeof(float));
  for (int m = 0; m < count; m++)
    for (int column = 0; column < op.out.w; column++)
      columns[m * op.out.w + column] = between(op.upsample, column, maps[m].w, op.out.w);
  return columns;
}

static void add_upsampled_row(const Op& op, const Tensor& x, const Between* columns, int i, int y,
                              float* row) {
  Between v = between(op.upsample, y, x.h, op.out.h);
  for (int column = 0; column < op.out.w; column++) {
    const Between h = columns[column];
    const float *low_low = x.at(i, v.low, h.low), *low_high = x.at(i, v.low, h.high);
    const float *high_low = x.at(i, v.high, h.low), *high_high = x.at(i, v.high, h.high);
    for (int c = 0; c < op.out.c; c += LANES) {
      Vector value = load(low_low + c);
      if (op.upsample != NEAREST) {
        Vector low = value * (1 - h.fraction) + load(low_high + c) * h.fraction;
        Vector high = load(high_low + c) * (1 - h.fraction) + load(high_high + c) * h.fraction;
        value = low * (1 - v.fraction) + high * v.fraction;
      }
      store(row + c, load(row + c) + value);
    }
    row += op.out.sw;
  }
}

// Where a map of the output is in bytes, a row of it is summed up in float32 and rounded at the end.
static void upsample_sum(const Op& op, float* const* buffers, int item) {
  Tensor base = tensor(op.in, buffers), out = tensor(op.out, buffers);
  auto bytes = tensor<uint8_t>(op.in, buffers);
  int64_t size = out.w * out.sw;
  bool rounds = op.out.step > 0;
  float* sums = scratch(rounds ? size : 0);
  const Map* coarser = op.maps + op.num_same;
  const Between* columns = columns_between(op, coarser, op.num_coarser);
  int last = min((item + 1) * ROWS_OF_SUM, out.n * out.h);
  for (int r = item * ROWS_OF_SUM; r < last; r++) {
    int i = r / out.h, y = r % out.h;
    float* row = rounds ? sums : out.at(i, y, 0);
    for (int64_t k = 0; k < size; k += LANES) {
      Vector v = op.in.step > 0 ? load(bytes.at(i, y, 0) + k) * op.in.step
                                : load(base.at(i, y, 0) + k);
      for (int m = 0; m < op.num_same; m++)
        v += load(tensor(op.maps[m], buffers).at(i, y, 0) + k);
      store(row + k, v);
    }
    for (int m = 0; m < op.num_coarser; m++)
      add_upsampled_row(op, tensor(coarser[m], buffers), columns + m * out.w, i, y, row);
    if (rounds) {
      round_to_bytes(row, 1, size, op.out, buffers, i * out.sn + y * out.sh);
    } else if (op.relu) {
      for (int64_t k = 0; k < size; k += LANES) store(row + k, relu(load(row + k)));
    }
  }
}

static void resize(const Op& op, float* const* buffers, int item) {
  Tensor in = tensor(op.in, buffers), out = tensor(op.out, buffers);
  int i = item / out.h, y = item % out.h;
  float* row = out.at(i, y, 0);
  for (int64_t k = 0; k < out.w * out.sw; k += LANES) store(row + k, Vector{});
  add_upsampled_row(op, in, columns_between(op, &op.in, 1), i, y, row);
}

static void pool(const Op& op, float* const* buffers, int item) {
  Tensor in = tensor(op.in, buffers), out = tensor(op.out, buffers);
  int i = item / out.h, y = item % out.h;
  float scale = op.average ? 1.0f / (op.window_h * op.window_w) : 1.0f;
  for (int x = 0; x < out.w; x++)
    for (int c = 0; c < out.c; c += LANES) {
      Vector result = load(in.at(i, y * op.stride, x * op.stride) + c);
      for (int k = 1; k < op.window_h * op.window_w; k++) {
        int ky = y * op.stride + k / op.window_w, kx = x * op.stride + k % op.window_w;
        Vector v = load(in.at(i, ky, kx) + c);
        result = op.average ? result + v : larger(result, v);
      }
      store(out.at(i, y, x) + c, result * scale);
    }
}
