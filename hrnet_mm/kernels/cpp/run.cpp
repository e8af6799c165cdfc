// What Python calls: the loop that runs a plan, the list of operations of a fused HRNet; and for
// training, convolutions of stride 1, their gradients and batch norm.
//
// A map lies in memory as (n, h, w, channels), in a plan with channels rounded up to whole vectors;
// in training they are whole vectors.

#include "batch_norm.h"
#include "convolution.h"
#include "filters.h"
#include "int8_direct.h"
#include "int8_winograd.h"
#include "maps.h"
#include "weight_gradient.h"
#include "winograd.h"

// Calls work(type) with the type of the factors of products.
template <class Work>
static void with_type(bool bf16, Work work) {
#ifdef __AVX512BF16__
  if (bf16) return work(BFloat16{});
#endif
  work(Float32{});
}

// Calls work(number) with a number of the type that maps of training have.
template <class Work>
static void with_map_type(bool bf16, Work work) {
#ifdef __AVX512BF16__
  if (bf16) return work(Bf16{});
#endif
  work(float{});
}

// T: the type of the factors, E: that of the maps' numbers, which for CONV is float. One copy serves
// plans and training, as a wheel has five of these files.
template <class T, class E = float>
__attribute__((noinline)) static void run_product(const Op& op, float* const* buffers, int item) {
  switch (op.kind) {
    case CONV: return conv<T>(op, buffers, item);
    case WINOGRAD_2: return winograd<T, 2, E>(op, buffers, item);
    case WINOGRAD_4: return winograd<T, 4, E>(op, buffers, item);
  }
}

static void run_item(const Op& op, float* const* buffers, int item) {
  switch (op.kind) {
    case UPSAMPLE_SUM: return upsample_sum(op, buffers, item);
    case POOL: return pool(op, buffers, item);
    case RESIZE: return resize(op, buffers, item);
  }
#if HAS_INT8
  if (op.in.step > 0) {
    if (op.kind == CONV) return ConvOfBytes(op, buffers).run(item);
    return WinogradOfBytes(op, buffers).run(item);
  }
#endif
  with_type(op.bf16, [&](auto type) { run_product<decltype(type)>(op, buffers, item); });
}

constexpr int MOST_SHARES = 8;  // to look into all of them takes time, too

// Memory for share_out, for each level.
static int* counters(int levels) {
  static thread_local Memory memory;
  int* zeros = (int*)memory.get(levels * MOST_SHARES);
  memset(zeros, 0, levels * MOST_SHARES * sizeof(int));
  return zeros;
}

// Runs the items of operations that do not depend on each other; a team of threads calls it, and
// `taken` has MOST_SHARES zeros. A thread begins with its own share, which is the same part of every
// map, so that it reads what it has written and what is still in its cache. Then it takes what others
// have not come to.
template <class Run>
static void share_out(const Op* begin, const Op* end, int threads, int* taken, Run run) {
  const int shares = min(threads, MOST_SHARES);
#pragma omp for schedule(static, 1)
  for (int thread = 0; thread < threads; thread++)
    for (int k = 0; k < shares; k++) {
      int share = (thread + k) % shares;
      const Op* op = begin;
      while (op < end) {
        int item;
#pragma omp atomic capture
        item = taken[share]++;
        for (op = begin; op < end; op++) {
          int first = (int64_t)op->items * share / shares;
          int items = (int64_t)op->items * (share + 1) / shares - first;
          if (item < items) {
            run(*op, first + item);
            break;
          }
          item -= items;
        }
      }
    }
}

// A map of training: whole vectors of channels, nothing between the pixels.
static Map dense(int buffer, int n, int c, int h, int w) {
  return {buffer, n, c, h, w, 0, 0, (int64_t)h * w * c, 1, (int64_t)w * c, c};
}

template <class T, class E>
static void weight_gradient_of_types(int tile, const TensorOf<E>& x, const TensorOf<E>& dy,
                                     float* dweight, int threads) {
  switch (tile) {
    case 0: return WeightGradient<T, 1, E>(x, dy, threads).run(dweight);
    case 2: return WeightGradient<T, 2, E>(x, dy, threads).run(dweight);
    case 4: return WeightGradient<T, 4, E>(x, dy, threads).run(dweight);
  }
}

extern "C" {

int lanes() { return LANES; }
int panels(int channels) { return count_panels(channels); }

int has_bf16() {
#ifdef __AVX512BF16__
  return 1;
#else
  return 0;
#endif
}

int has_int8() { return HAS_INT8; }

// How many blocks of pixels, tiles or rows the operation has.
int blocks(const Op* op) {
  int m = op->kind == WINOGRAD_2 ? 2 : 4;
  const Map& out = op->out;
  switch (op->kind) {
    case CONV:
      if (op->in.step > 0) return blocks_of_bytes(*op);
      return ceil_div(out.n * out.h * out.w, PIXELS);
    case UPSAMPLE_SUM: return ceil_div(out.n * out.h, ROWS_OF_SUM);
    case POOL:
    case RESIZE: return out.n * out.h;
    default:
      return ceil_div(out.n * ceil_div(out.h, m) * ceil_div(out.w, m), op->tiles ? op->tiles : TILES);
  }
}

// Runs the operations level by level; those of one level do not depend on each other.
void run(const Op* ops, const int32_t* level_ends, int num_levels, float* const* buffers,
         int threads) {
  int* taken = counters(num_levels);
#pragma omp parallel num_threads(threads) if (threads > 1)
  for (int level = 0; level < num_levels; level++) {
    const Op *begin = ops + (level ? level_ends[level - 1] : 0), *end = ops + level_ends[level];
    share_out(begin, end, threads, taken + level * MOST_SHARES,
              [=](const Op& op, int item) { run_item(op, buffers, item); });
  }
}

// How many words packed filters are.
int64_t packed_size(int tile, int bf16, int out, int in) {
  int64_t words = 0;
  with_type(bf16, [&](auto type) {
    words = packed_words<decltype(type)>(positions_of(tile), out, in);
  });
  return words;
}

// Filters (out, 3, 3, in), or (out, in) for tile 0.
void pack(int tile, int bf16, int out, int in, const float* weight, float* packed, int threads) {
  with_type(bf16, [&](auto type) {
    pack_filters<decltype(type)>(tile, filters_of(tile, weight, out, in), packed, threads);
  });
}

// x (n, h, w, in) -> y (n, h, w, out) by filters (out, 3, 3, in), or (out, 1, 1, in) for tile 0. If
// flipped, by those of the convolution from out to in channels whose gradient this is. Maps of
// bfloat16 are for tiles above 0.
void convolve(int tile, int bf16, int bf16_maps, int n, int h, int w, int in, int out, int flipped,
              void* x, const float* weight, void* y, int threads) {
  Op op = {};
  op.kind = tile == 0 ? CONV : tile == 2 ? WINOGRAD_2 : WINOGRAD_4;
  op.kernel = op.stride = 1;
  op.in = dense(0, n, in, h, w);
  op.out = dense(1, n, out, h, w);
  op.add.buffer = -1;
  // A core is slow to read what another has written. So where the filters are more than the tiles,
  // each packs and uses those of some output channels.
  int num_blocks = blocks(&op), tiles = num_blocks * TILES;
  int shares = tile && tiles < 2 * out ? threads : threads / num_blocks;
  op.groups = max(1, min(count_panels(out), shares));
  op.items = num_blocks * op.groups;
  float* packed = workspace(packed_size(tile, bf16, out, in));
  int* taken = counters(1);
  op.filters = packed;
  Filters filters = flipped ? flipped_filters(tile, weight, out, in)
                            : filters_of(tile, weight, out, in);
  float* buffers[] = {(float*)x, (float*)y};
  with_type(bf16, [&](auto type) {
    using T = decltype(type);
    pack_filters<T>(tile, filters, packed, threads);
    with_map_type(bf16_maps, [&](auto number) {
      // Group by group, so that the share of a thread has the filters that it has packed.
      auto run_next = [&](const Op& op, int i) {
        int block = i % num_blocks, group = i / num_blocks;
        run_product<T, decltype(number)>(op, buffers, block * op.groups + group);
      };
#pragma omp parallel num_threads(threads) if (threads > 1)
      share_out(&op, &op + 1, threads, taken, run_next);
    });
  });
}

// The gradient of the filters (out, k, k, in) from x (n, h, w, in) and dy (n, h, w, out).
void weight_gradient(int tile, int bf16, int bf16_maps, int n, int h, int w, int in, int out,
                     void* x, void* dy, float* dweight, int threads) {
  float* buffers[] = {(float*)x, (float*)dy};
  with_type(bf16, [&](auto type) {
    with_map_type(bf16_maps, [&](auto number) {
      using E = decltype(number);
      weight_gradient_of_types<decltype(type), E>(tile, tensor<E>(dense(0, n, in, h, w), buffers),
                                                  tensor<E>(dense(1, n, out, h, w), buffers),
                                                  dweight, threads);
    });
  });
}

// y = norm(x) + shortcut, or relu of it; the shortcut may be null. Leaves the mean and the
// reciprocal standard deviation in `mean` and `scale`, and moves the running statistics.
void norm_forward(int bf16_maps, int64_t pixels, int channels, int relu, float epsilon,
                  float momentum, const void* x, const void* shortcut, const float* weight,
                  const float* bias, float* running_mean, float* running_variance, float* mean,
                  float* scale, void* y, int threads) {
  Norm norm = {pixels, channels, relu, threads};
  with_map_type(bf16_maps, [&](auto number) {
    using E = decltype(number);
    norm.statistics((const E*)x, epsilon, momentum, running_mean, running_variance, mean, scale);
    norm.forward((const E*)x, (const E*)shortcut, weight, bias, mean, scale, (E*)y);
  });
}

// The same map once more, with the mean and the reciprocal deviation that are known by now.
void norm_apply(int bf16_maps, int64_t pixels, int channels, int relu, const void* x,
                const void* shortcut, const float* weight, const float* bias, const float* mean,
                const float* scale, void* y, int threads) {
  Norm norm = {pixels, channels, relu, threads};
  with_map_type(bf16_maps, [&](auto number) {
    using E = decltype(number);
    norm.forward((const E*)x, (const E*)shortcut, weight, bias, mean, scale, (E*)y);
  });
}

// `y` is null without ReLU, `dshortcut` where nobody needs it.
void norm_backward(int bf16_maps, int64_t pixels, int channels, const void* dy, const void* x,
                   const void* y, const float* weight, const float* mean, const float* scale,
                   void* dx, void* dshortcut, float* dweight, float* dbias, int threads) {
  Norm norm = {pixels, channels, y != nullptr, threads};
  with_map_type(bf16_maps, [&](auto number) {
    using E = decltype(number);
    norm.backward((const E*)dy, (const E*)x, (const E*)y, weight, mean, scale, (E*)dx,
                  (E*)dshortcut, dweight, dbias);
  });
}
}
