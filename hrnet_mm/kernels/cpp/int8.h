// Products of 8-bit numbers, exact, and what becomes of their sums. Maps are bytes, 0 to 255, which
// is what a ReLU leaves; filters are -127 to 127, with a step for every output channel.
#pragma once

#include <cmath>
#include <type_traits>

#include "product.h"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define HAS_INT8 1

// A word is 4 bytes of a map and 4 of a filter. The intrinsics would let GCC 12 keep the sums in
// memory.
struct Int8 {
  static constexpr int PER_WORD = 4;
  static inline __attribute__((always_inline)) void multiply_add(__m512i& sum, __m512i a, __m512i b) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
  static void fetch(const int8_t*) {}  // the filters are read in order
};

// A word is 2 numbers of 16 bits on both sides.
struct Int16 {
  static constexpr int PER_WORD = 2;
  static inline __attribute__((always_inline)) void multiply_add(__m512i& sum, __m512i a, __m512i b) {
    asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  }
  static void fetch(const int8_t* next) { _mm_prefetch(next, _MM_HINT_T0); }
};

// What a row of a matrix is in memory: `lines` of `depth` words, `line_step` bytes from one to the
// next; `row_step` from row to row.
struct Rows {
  const uint8_t* data;
  int64_t row_step, line_step;
  int lines, depth;
};

// sums[ROWS][WIDTH vectors] = a[ROWS][words] * b[words][WIDTH vectors].
template <class T, int ROWS, int WIDTH>
static __attribute__((noinline)) void sum_rows(const Rows& a, const int8_t* b, int32_t* sums) {
  __m512i sum[ROWS][WIDTH];
#pragma GCC unroll 12
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
    for (int j = 0; j < WIDTH; j++) sum[i][j] = _mm512_setzero_si512();
  const int64_t row_step = a.row_step, depth = a.depth;
  for (int line = 0; line < a.lines; line++) {
    const uint8_t* words = a.data + line * a.line_step;
    for (int k = 0; k < depth; k++, b += WIDTH * 64, words += 4) {
      __m512i row[WIDTH];
#pragma GCC unroll 2
      for (int j = 0; j < WIDTH; j++) {
        T::fetch(b + (depth * WIDTH + j) * 64);
        row[j] = _mm512_loadu_si512(b + j * 64);
      }
#pragma GCC unroll 12
      for (int i = 0; i < ROWS; i++) {
        int32_t word;
        memcpy(&word, words + i * row_step, sizeof word);
        __m512i x = _mm512_set1_epi32(word);
#pragma GCC unroll 2
        for (int j = 0; j < WIDTH; j++) T::multiply_add(sum[i][j], x, row[j]);
      }
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 2
    for (int j = 0; j < WIDTH; j++) _mm512_storeu_si512(sums + (i * WIDTH + j) * LANES, sum[i][j]);
}

constexpr int MOST_ROWS = 12;

// Some rows, at most MOST_ROWS.
using SumRows = void (*)(const Rows& a, const int8_t* b, int32_t* sums);

template <class T, int WIDTH>
constexpr SumRows SUM_ROWS[MOST_ROWS + 1] = {
    nullptr,
    sum_rows<T, 1, WIDTH>, sum_rows<T, 2, WIDTH>, sum_rows<T, 3, WIDTH>, sum_rows<T, 4, WIDTH>,
    sum_rows<T, 5, WIDTH>, sum_rows<T, 6, WIDTH>, sum_rows<T, 7, WIDTH>, sum_rows<T, 8, WIDTH>,
    sum_rows<T, 9, WIDTH>, sum_rows<T, 10, WIDTH>, sum_rows<T, 11, WIDTH>, sum_rows<T, 12, WIDTH>};

template <class T>
static SumRows function_for(int rows, int width) {
  return width == 2 ? SUM_ROWS<T, 2>[rows] : SUM_ROWS<T, 1>[rows];
}

// A panel has two vectors of output channels, the last may have one.
static int panel_of_bytes(int vectors_left) { return min(vectors_left, 2); }

static Channels group_of_bytes(const Op& op, int group) {
  int vectors = ceil_div(op.out.c, LANES), panels = ceil_div(vectors, 2);
  int end = panels * (group + 1) / op.groups * 2;
  return {panels * group / op.groups * 2, min(end, vectors)};
}

static inline Vector load(const uint8_t* p) {
  return (Vector)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)));
}

// Rounds to the nearest of 0 to 255; a number that is far above, too.
static inline void store(uint8_t* p, Vector v) {
  __m512 clipped = _mm512_min_ps(_mm512_max_ps((__m512)v, _mm512_setzero_ps()), _mm512_set1_ps(255));
  _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(clipped)));
}

// The same for two neighbouring vectors of two pixels each; none is beyond the integers of 32 bits.
static inline void store_two_pixels(uint8_t* p, uint8_t* q, const Vector (&v)[4]) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  auto rounded = [&](int k) { return _mm512_cvtps_epi32((__m512)v[k]); };
  __m512i first = _mm512_packs_epi32(rounded(0), rounded(1));
  __m512i second = _mm512_packs_epi32(rounded(2), rounded(3));
  __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
  _mm256_storeu_si256((__m256i*)p, _mm512_castsi512_si256(bytes));
  _mm256_storeu_si256((__m256i*)q, _mm512_extracti64x4_epi64(bytes, 1));
}

// Rows of a map in float32, to the map in bytes from `offset` on.
static void round_to_bytes(const float* rows, int count, int64_t size, const Map& out,
                           float* const* buffers, int64_t offset) {
  uint8_t* bytes = (uint8_t*)buffers[out.buffer] + out.offset + offset;
  float scale = 1 / out.step;
  for (int r = 0; r < count; r++)
    for (int64_t k = 0; k < size; k += LANES)
      store(bytes + r * out.sw + k, load(rows + r * size + k) * scale);
}

struct NoMap {};

// What follows the sums of a panel of WIDTH vectors: steps, bias, shortcut and ReLU. `Out` and `Add`
// are the numbers of the output and of the shortcut; no shortcut: NoMap.
template <class Out, class Add, int WIDTH>
struct Finish {
  Vector scale[WIDTH], bias[WIDTH], add_scale, least;
  Out* out;
  const Add* add;

  // `factor` is what the sums are too large by.
  Finish(const Op& op, float* const* buffers, int channel, float factor) {
    float unit = op.out.step > 0 ? 1 / op.out.step : 1;
    for (int j = 0; j < WIDTH; j++) {
      scale[j] = load(op.steps + channel + j * LANES) * (op.in.step * unit / factor);
      bias[j] = load(op.bias + channel + j * LANES) * unit;
    }
    add_scale = Vector{} + (op.add.step > 0 ? op.add.step * unit : unit);
    least = Vector{} + (op.relu ? 0 : -INFINITY);
    out = (Out*)buffers[op.out.buffer] + op.out.offset + channel;
    add = nullptr;
    if constexpr (!std::is_same_v<Add, NoMap>)
      add = (const Add*)buffers[op.add.buffer] + op.add.offset + channel;
  }

  // `offset` is of the pixel in the output and in the shortcut, which are of one shape.
  inline __attribute__((always_inline)) Vector number(__m512i sum, int j, int64_t offset) const {
    __m512 v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), (__m512)scale[j], (__m512)bias[j]);
    if constexpr (!std::is_same_v<Add, NoMap>)
      v = _mm512_fmadd_ps((__m512)load(add + offset + j * LANES), (__m512)add_scale, v);
    return (Vector)v;
  }

  // One pixel. `sum(j)` gives the sums of a vector.
  template <class Sum>
  inline __attribute__((always_inline)) void put(int64_t offset, Sum sum) const {
#pragma GCC unroll 2
    for (int j = 0; j < WIDTH; j++) {
      Vector v = number(sum(j), j, offset);
      store(out + offset + j * LANES, (Vector)_mm512_max_ps((__m512)least, (__m512)v));  // keeps NaN
    }
  }

  // Two pixels. `sum(i, j)` gives the sums of a vector of each.
  template <class Sum>
  inline __attribute__((always_inline)) void put(int64_t offset, int64_t next, Sum sum) const {
    if constexpr (WIDTH == 2 && std::is_same_v<Out, uint8_t>) {
      const Vector v[4] = {number(sum(0, 0), 0, offset), number(sum(0, 1), 1, offset),
                           number(sum(1, 0), 0, next), number(sum(1, 1), 1, next)};
      store_two_pixels(out + offset, out + next, v);  // ReLU or not, there are none below 0
    } else {
      put(offset, [&](int j) { return sum(0, j); });
      put(next, [&](int j) { return sum(1, j); });
    }
  }
};

// Calls work(Finish) with what fits an operation and a panel of its channels.
template <class Out, class Add, class Work>
static void with_width(const Op& op, float* const* buffers, int channel, int width, float factor,
                       Work work) {
  if (width == 2)
    work(Finish<Out, Add, 2>(op, buffers, channel, factor));
  else
    work(Finish<Out, Add, 1>(op, buffers, channel, factor));
}

template <class Out, class Work>
static void with_add(const Op& op, float* const* buffers, int channel, int width, float factor,
                     Work work) {
  if (op.add.buffer < 0)
    with_width<Out, NoMap>(op, buffers, channel, width, factor, work);
  else if (op.add.step > 0)
    with_width<Out, uint8_t>(op, buffers, channel, width, factor, work);
  else
    with_width<Out, float>(op, buffers, channel, width, factor, work);
}

template <class Work>
static void with_finish(const Op& op, float* const* buffers, int channel, int width, float factor,
                        Work work) {
  if (op.out.step > 0)
    with_add<uint8_t>(op, buffers, channel, width, factor, work);
  else
    with_add<float>(op, buffers, channel, width, factor, work);
}
#else
#define HAS_INT8 0
// No plan has maps of bytes.
static inline Vector load(const uint8_t*) { return Vector{}; }
static void round_to_bytes(const float*, int, int64_t, const Map&, float* const*, int64_t) {}
#endif
