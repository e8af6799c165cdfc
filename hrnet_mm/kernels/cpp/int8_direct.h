// Direct convolution of bytes. Of a pixel of the output, each line of the filter sees bytes that
// lie side by side, and those of the next pixel are a stride further on.
#pragma once

#include "int8.h"

constexpr int PIXELS_OF_BYTES = 48;  // of a work item, about

// A 1x1 convolution of a whole map has one row of pixels.
static bool is_one_row(const Op& op) {
  const Map& in = op.in;
  return op.kernel == 1 && op.stride == 1 && op.padding == 0 && in.sh == in.w * in.sw &&
         in.sn == in.h * in.sh;
}

// Of the output, in a work item.
static int rows_of_bytes(const Op& op) { return ceil_div(PIXELS_OF_BYTES, op.out.w); }

static int blocks_of_bytes(const Op& op) {
  const Map& out = op.out;
  return is_one_row(op) ? ceil_div(out.n * out.h * out.w, PIXELS_OF_BYTES)
                        : out.n * ceil_div(out.h, rows_of_bytes(op));
}

#if HAS_INT8
// The bytes of some pixels without what is between them; up to 32 behind the last are overwritten.
static uint8_t* copy_pixels(const uint8_t* from, int pixels, int64_t step, int channels,
                            uint8_t* to) {
  if (step == channels) {
    memcpy(to, from, (int64_t)pixels * channels);
    return to + (int64_t)pixels * channels;
  }
  for (int x = 0; x < pixels; x++, from += step, to += channels)
    for (int c = 0; c < channels; c += 32)
      _mm256_storeu_si256((__m256i*)(to + c), _mm256_loadu_si256((const __m256i*)(from + c)));
  return to;
}

struct ConvOfBytes {
  const Op& op;
  float* const* buffers;
  TensorOf<uint8_t> in;
  int depth, item_rows, columns;  // words of a filter's line; rows of an item; pixels of a line
  int64_t line;                   // bytes
  int32_t* sums;
  uint8_t* lines;

  ConvOfBytes(const Op& op, float* const* buffers)
      : op(op), buffers(buffers), in(tensor<uint8_t>(op.in, buffers)) {
    depth = ceil_div(op.kernel * in.c, Int8::PER_WORD);
    item_rows = rows_of_bytes(op);
    columns = (op.out.w - 1) * op.stride + op.kernel;
    line = ceil_div(columns * in.c + 4, 64) * 64;
    int64_t num_lines = is_one_row(op) ? 0 : (item_rows - 1) * op.stride + op.kernel;
    sums = (int32_t*)scratch(MOST_ROWS * 2 * LANES + num_lines * line / 4 + 16);
    lines = (uint8_t*)(sums + MOST_ROWS * 2 * LANES);
  }

  void run(int item) const {
    int block = item / op.groups;
    Channels range = group_of_bytes(op, item % op.groups);
    if (is_one_row(op)) {
      int first = block * PIXELS_OF_BYTES;
      int pixels = min(PIXELS_OF_BYTES, op.out.n * op.out.h * op.out.w - first);
      const uint8_t* data = in.data + first * in.sw;
      return for_panels(range, [&](int v, int width) {
        row(v, width, {data, in.sw, 0, 1, depth}, pixels, first * op.out.sw);
      });
    }
    int bands = ceil_div(op.out.h, item_rows), i = block / bands, y = block % bands * item_rows;
    int rows = min(item_rows, op.out.h - y);
    copy_lines(i, y * op.stride - op.padding, (rows - 1) * op.stride + op.kernel);
    for_panels(range, [&](int v, int width) {
      for (int r = 0; r < rows; r++)
        row(v, width, {lines + r * op.stride * line, op.stride * in.c, line, op.kernel, depth},
            op.out.w, i * op.out.sn + (y + r) * op.out.sh);
    });
  }

  // Lines of the input from `first` on, with zeros where it has ended.
  void copy_lines(int i, int first, int count) const {
    int left = op.padding, pixels = min(in.w, columns - left);
    for (int k = 0; k < count; k++) {
      uint8_t* to = lines + k * line;
      if ((unsigned)(first + k) >= (unsigned)in.h) {
        memset(to, 0, line);
        continue;
      }
      memset(to, 0, left * in.c);
      uint8_t* end = copy_pixels(in.at(i, first + k, 0), pixels, in.sw, in.c, to + left * in.c);
      memset(end, 0, to + line - end);
    }
  }

  template <class Work>
  void for_panels(Channels range, Work work) const {
    int vectors = ceil_div(op.out.c, LANES);
    for (int v = range.begin; v < range.end; v += 2) work(v, panel_of_bytes(vectors - v));
  }

  // Pixels of the output that are side by side, in parts of about the same size.
  void row(int v, int width, Rows rows, int pixels, int64_t offset) const {
    const int8_t* filters = (const int8_t*)(op.filters + (int64_t)v * LANES * rows.lines * depth);
    int parts = ceil_div(pixels, MOST_ROWS), size = ceil_div(pixels, parts);
    with_finish(op, buffers, v * LANES, width, 1, [&](const auto& finish) {
      auto sum = [&](int p, int j) { return _mm512_load_si512(sums + (p * width + j) * LANES); };
      const int64_t sw = op.out.sw;
      for (int first = 0; first < pixels; first += size) {
        int count = min(size, pixels - first), p = 0;
        function_for<Int8>(count, width)(rows, filters, sums);
        rows.data += size * rows.row_step;
        for (; p + 2 <= count; p += 2, offset += 2 * sw)
          finish.put(offset, offset + sw, [&](int i, int j) { return sum(p + i, j); });
        for (; p < count; p++, offset += sw)
          finish.put(offset, [&](int j) { return sum(p, j); });
      }
    });
  }
};
#endif
