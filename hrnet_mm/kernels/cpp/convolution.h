// Direct convolution: a product whose rows are the pixels of the output.
#pragma once

#include "filters.h"
#include "int8.h"

constexpr int PIXELS = 48;  // of one work item

// 3x3 pixels of 3 channels: with sizes that the compiler knows it is several times faster.
static void gather_colours(const Tensor& in, const float* pixels, float* row) {
  for (int y = 0; y < 3; y++)
    for (int x = 0; x < 3; x++)
      for (int c = 0; c < 3; c++) *row++ = pixels[y * in.sh + x * in.sw + c * in.sc];
}

// The input values that an output pixel is computed from, as a row of the matrix.
static void gather(const Op& op, const Tensor& in, int i, int y, int x, float* row) {
  int first_y = y * op.stride - op.padding, first_x = x * op.stride - op.padding;
  bool is_image = in.sc != 1 || in.sw % LANES;
  if (is_image && op.kernel == 3 && in.c == 3 && first_y >= 0 && first_x >= 0 &&
      first_y + 3 <= in.h && first_x + 3 <= in.w)
    return gather_colours(in, in.at(i, first_y, first_x), row);
  for (int ky = 0; ky < op.kernel; ky++)
    for (int kx = 0; kx < op.kernel; kx++, row += in.c) {
      int iy = first_y + ky, ix = first_x + kx;
      bool inside = (unsigned)iy < (unsigned)in.h && (unsigned)ix < (unsigned)in.w;
      const float* p = in.at(i, inside ? iy : 0, inside ? ix : 0);
      if (is_image)
        for (int c = 0; c < in.c; c++) row[c] = inside ? p[c * in.sc] : 0;
      else  // the last vector may reach into the next tap, which is written afterwards
        for (int c = 0; c < in.c; c += LANES) store(row + c, inside ? load(p + c) : Vector{});
    }
}

template <class T>
static void conv(const Op& op, float* const* buffers, int item) {
  Tensor in = tensor(op.in, buffers), out = tensor(op.out, buffers);
  int total = out.n * out.h * out.w, first = item / op.groups * PIXELS;
  int pixels = min(PIXELS, total - first), numbers = op.kernel * op.kernel * in.c;
  int depth = ceil_div(numbers, T::PER_WORD);
  const float* a = in.data + first * in.sw;
  int64_t a_stride = in.sw;
  bool dense = in.sc == 1 && in.sh == in.w * in.sw && in.sn == in.h * in.sh;
  bool gathers = op.kernel > 1 || op.stride > 1 || !dense || T::PER_WORD > 1;
  bool rounds = op.out.step > 0;  // to bytes, when a panel of all pixels is there
  int64_t panel = rounds ? PIXELS * WIDEST * LANES : 0;
  if (gathers) a_stride = numbers + LANES;
  float* memory = scratch(panel + (gathers ? (PIXELS + 1) * a_stride : 0));
  if (gathers) {
    float* rows = memory + panel;
    for (int p = 0; p < pixels; p++) {
      int pixel = first + p, x = pixel % out.w, y = pixel / out.w % out.h;
      float* row = rows + p * a_stride;
      gather(op, in, pixel / out.w / out.h, y, x, row);
      row[numbers] = 0;
      T::convert(row, numbers + 1);
    }
    a = rows;
  }
  Channels range = group_of_panels(op, item % op.groups);
  int vectors = ceil_div(out.c, LANES);
  for (int v = range.begin, width; v < range.end; v += width) {
    width = panel_width(vectors - v);
    int64_t result = first * out.sw + v * LANES;
    Epilogue end = {op.bias ? op.bias + v * LANES : nullptr, nullptr, out.sw, (bool)op.relu};
    if (op.add.buffer >= 0) end.add = tensor(op.add, buffers).data + result;
    multiply<T>(width, pixels, a, a_stride, op.filters + v * LANES * packed_rows<T>(numbers),
                rounds ? memory : out.data + result, rounds ? width * LANES : out.sw, depth, end);
    if (rounds) round_to_bytes(memory, pixels, width * LANES, op.out, buffers, result);
  }
}
