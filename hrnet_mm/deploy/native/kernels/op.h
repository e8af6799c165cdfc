// What a plan is made of, as library.py declares it and engine.py fills it in.
#pragma once

#include <cstdlib>

#include "vectors.h"

enum Kind { CONV, WINOGRAD_2, WINOGRAD_4, UPSAMPLE_SUM, POOL };
enum Upsample { NEAREST, BILINEAR, BILINEAR_ALIGNED };

struct Map {
  int32_t buffer;  // index into the buffers of a run, -1: there is no map
  int32_t n, c, h, w;
  int64_t offset, sn, sc, sh, sw;  // in floats
};

struct Op {
  int32_t kind, items, groups;      // work items; into how many the output channels are split
  int32_t bf16;                     // whether products have factors of bfloat16
  int32_t kernel, stride, padding;  // CONV; POOL: stride
  int32_t window_h, window_w;       // POOL
  int32_t relu, average, upsample, num_same, num_coarser;
  Map in, out, add;            // UPSAMPLE_SUM: in is the base
  const Map* maps;             // UPSAMPLE_SUM: the same, then the coarser
  const float *filters, *bias;  // the filters as words, in panels (packing.py)
};

struct Tensor {
  float* data;
  int n, c, h, w;
  int64_t sn, sc, sh, sw;
  float* at(int i, int y, int x) const { return data + i * sn + y * sh + x * sw; }
};

static Tensor tensor(const Map& m, float* const* buffers) {
  return {buffers[m.buffer] + m.offset, m.n, m.c, m.h, m.w, m.sn, m.sc, m.sh, m.sw};
}

// Scratch memory of a thread, kept from run to run.
static float* scratch(size_t floats) {
  struct Block {
    float* data = nullptr;
    size_t size = 0;
    ~Block() { free(data); }
  };
  static thread_local Block block;
  if (block.size < floats) {
    free(block.data);
    block.size = (floats + 1023) / 1024 * 1024;
    block.data = (float*)aligned_alloc(64, block.size * sizeof(float));
  }
  return block.data;
}
