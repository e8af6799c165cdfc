// A step of a plan: library.py declares it to Python, deploy/engines/own_kernels.py fills it in.
#pragma once

#include <cstdlib>

#include "vectors.h"

enum Kind { CONV, WINOGRAD_2, WINOGRAD_4, UPSAMPLE_SUM, POOL, RESIZE };
enum Upsample { NEAREST, BILINEAR, BILINEAR_ALIGNED };

struct Map {
  int32_t buffer;  // index into the buffers of a run, -1: there is no map
  int32_t n, c, h, w;
  float step;  // a number of the map is a byte, 0 to 255, times this; 0: it is a float
  int64_t offset, sn, sc, sh, sw;  // in numbers
};

struct Op {
  int32_t kind, items, groups;      // work items; into how many the output channels are split
  int32_t bf16;                     // whether products have factors of bfloat16
  int32_t kernel, stride, padding;  // CONV; POOL: stride
  int32_t window_h, window_w;       // POOL
  int32_t relu, average, upsample, num_same, num_coarser;
  int32_t tiles;               // WINOGRAD_4 of bytes: of a work item
  Map in, out, add;            // UPSAMPLE_SUM: in is the base
  const Map* maps;             // UPSAMPLE_SUM: the same, then the coarser
  const float *filters, *bias;  // the filters as words, in panels (filters.h); no bias: null
  const float* steps;           // of bytes: what 1 is of the filters of each output channel
};

// E: the type of its numbers.
template <class E>
struct TensorOf {
  E* data;
  int n, c, h, w;
  int64_t sn, sc, sh, sw;
  E* at(int i, int y, int x) const { return data + i * sn + y * sh + x * sw; }
};

using Tensor = TensorOf<float>;

template <class E = float>
static TensorOf<E> tensor(const Map& m, float* const* buffers) {
  return {(E*)buffers[m.buffer] + m.offset, m.n, m.c, m.h, m.w, m.sn, m.sc, m.sh, m.sw};
}

// Memory of a thread, kept from run to run.
struct Memory {
  float* data = nullptr;
  size_t size = 0;
  ~Memory() { free(data); }
  float* get(size_t floats) {
    if (size < floats) {
      free(data);
      size = (floats + 1023) / 1024 * 1024;
      data = (float*)aligned_alloc(64, size * sizeof(float));
    }
    return data;
  }
};

// For one work item.
static float* scratch(size_t floats) {
  static thread_local Memory memory;
  return memory.get(floats);
}

// For what all threads of a run share.
static float* workspace(size_t floats) {
  static thread_local Memory memory;
  return memory.get(floats);
}
