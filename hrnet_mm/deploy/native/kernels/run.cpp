// The operations of a fused HRNet on a CPU and the loop that runs a plan of them.
//
// A map lies in memory as (n, h, w, channels), the channels rounded up to whole vectors.

#include "convolution.h"
#include "maps.h"
#include "winograd.h"

template <class T>
static void run_product(const Op& op, float* const* buffers, int item) {
  switch (op.kind) {
    case CONV: return conv<T>(op, buffers, item);
    case WINOGRAD_2: return winograd<T, 2>(op, buffers, item);
    case WINOGRAD_4: return winograd<T, 4>(op, buffers, item);
  }
}

static void run_item(const Op& op, float* const* buffers, int item) {
  switch (op.kind) {
    case UPSAMPLE_SUM: return upsample_sum(op, buffers, item);
    case POOL: return pool(op, buffers, item);
  }
#ifdef __AVX512BF16__
  if (op.bf16) return run_product<BFloat16>(op, buffers, item);
#endif
  run_product<Float32>(op, buffers, item);
}

extern "C" {

int lanes() { return LANES; }
int widest_panel() { return WIDEST; }

int has_bf16() {
#ifdef __AVX512BF16__
  return 1;
#else
  return 0;
#endif
}

// How many blocks of pixels, tiles or rows the operation has.
int blocks(const Op* op) {
  int m = op->kind == WINOGRAD_2 ? 2 : 4;
  const Map& out = op->out;
  switch (op->kind) {
    case CONV: return ceil_div(out.n * out.h * out.w, PIXELS);
    case UPSAMPLE_SUM: return ceil_div(out.n * out.h, ROWS_OF_SUM);
    case POOL: return out.n * out.h;
    default: return ceil_div(out.n * ceil_div(out.h, m) * ceil_div(out.w, m), TILES);
  }
}

// Runs the operations level by level; those of one level do not depend on each other, and their
// items are shared out among the threads.
void run(const Op* ops, const int32_t* level_ends, int num_levels, float* const* buffers,
         int threads) {
#pragma omp parallel num_threads(threads) if (threads > 1)
  for (int level = 0; level < num_levels; level++) {
    int begin = level ? level_ends[level - 1] : 0, total = 0;
    for (int k = begin; k < level_ends[level]; k++) total += ops[k].items;
#pragma omp for schedule(dynamic, 1)
    for (int item = 0; item < total; item++) {
      int k = begin, local = item;
      while (local >= ops[k].items) local -= ops[k++].items;
      run_item(ops[k], buffers, local);
    }
  }
}
}
