// Vectors of floats, in the types of GCC and Clang, so that the compiler picks the instructions.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16, ACCUMULATORS = 24, WIDEST = 4;
#elif defined(__AVX__)
constexpr int LANES = 8, ACCUMULATORS = 12, WIDEST = 2;  // 16 registers
#elif defined(__SSE__)
constexpr int LANES = 4, ACCUMULATORS = 12, WIDEST = 2;
#else
constexpr int LANES = 4, ACCUMULATORS = 24, WIDEST = 4;  // 32 registers
#endif

typedef float Vector __attribute__((vector_size(LANES * 4)));
typedef int32_t Words __attribute__((vector_size(LANES * 4)));
typedef float Unaligned __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline Vector load(const float* p) { return *(const Unaligned*)p; }
static inline void store(float* p, Vector v) { *(Unaligned*)p = v; }

#ifdef __AVX512BF16__
// Numbers of a map in bfloat16; all arithmetic is in float32.
using Bf16 = uint16_t;
static inline Vector load(const Bf16* p) {
  __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
  return (Vector)_mm512_slli_epi32(words, 16);
}
static inline void store(Bf16* p, Vector v) {
  _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
#endif

static inline Vector relu(Vector v) { return v < 0 ? Vector{} : v; }  // keeps NaN
static inline Vector larger(Vector a, Vector b) { return (a > b) | (a != a) ? a : b; }
static inline int ceil_div(int a, int b) { return (a + b - 1) / b; }
static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }

// In which type the factors of products are. A word of 4 bytes holds as many of them as one lane
// multiplies at once; sums are always float32.

struct Float32 {
  static constexpr int PER_WORD = 1;
  static Vector multiply_add(Vector sum, Vector a, Vector b) { return sum + a * b; }
  static void put(float* words, int64_t index, Vector v) { store(words + index, v); }
  static void convert(float*, int) {}  // numbers to words, in place
  // A row of a matrix whose columns are split into words.
  static void put_row(float* words, int row, int64_t step, Vector v) {
    store(words + row * step, v);
  }
};

#ifdef __AVX512BF16__
struct BFloat16 {
  static constexpr int PER_WORD = 2;
  static Vector multiply_add(Vector sum, Vector a, Vector b) {
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  }
  static void put(float* words, int64_t index, Vector v) {
    auto rounded = _mm512_cvtneps_pbh((__m512)v);
    memcpy((uint16_t*)words + index, &rounded, sizeof rounded);
  }
  static void convert(float* words, int numbers) {
    for (int k = 0; k < numbers; k += LANES) put(words, k, load(words + k));
  }
  // The first row of a word waits there, as float32, for the second.
  static void put_row(float* words, int row, int64_t step, Vector v) {
    float* word = words + row / 2 * step;
    store(word, row % 2 ? pair(load(word), v) : v);
  }
  static Vector pair(Vector low, Vector high) {
    __m512i a = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)low));
    __m512i b = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)high));
    return (Vector)_mm512_or_si512(a, _mm512_slli_epi32(b, 16));
  }
};
#endif

static inline Vector spread(const float* word) {
  int32_t bits;
  memcpy(&bits, word, sizeof bits);
  return (Vector)(Words{} + bits);
}
